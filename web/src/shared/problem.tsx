import type { ComponentChildren } from 'preact';
import { Icon } from './icons';

/** What went wrong, and where it helps a button to try again. */
export function Problem(props: { tone?: 'danger'; retry?: (() => void) | undefined; children: ComponentChildren }) {
  return (
    <div class="problem" role="alert" data-tone={props.tone}>
      <Icon name="warn" />
      <span>{props.children}</span>
      {props.retry && (
        <button type="button" class="small" onClick={props.retry}>
          Retry
        </button>
      )}
    </div>
  );
}

/** Lines in the place of a list that takes long to come. */
export function Skeleton({ label }: { label: string }) {
  return (
    <div class="skeleton lines" role="status" aria-label={label}>
      <i /> <i /> <i /> <i /> <i />
    </div>
  );
}
