// What every page has for itself: its keys, and its colours.
import type { Signal } from '@preact/signals';
import { Dialog } from './dialogs';
import { IconButton } from './icons';
import { nextTheme, theme } from './theme';

/** A key, or several with spaces between, and what they do. */
export type Keys = readonly { key: string; does: string }[];

const themes = {
  system: { icon: 'system', text: 'Colours as the system has them' },
  light: { icon: 'sun', text: 'Light colours' },
  dark: { icon: 'moon', text: 'Dark colours' },
} as const;

export function Tools({ help }: { help: Signal<boolean> }) {
  const { icon, text } = themes[theme.value];
  return (
    <span class="who-tools">
      <IconButton name="keyboard" label="Keys" title="Keys (?)" onClick={() => (help.value = true)} />
      <IconButton name={icon} label={text} onClick={nextTheme} />
    </span>
  );
}

/** The dialog of keys, while it is open. */
export function Help({ keys, open }: { keys: Keys; open: Signal<boolean> }) {
  if (!open.value) return null;
  const close = () => (open.value = false);
  return (
    <Dialog label="Keys" close={close}>
      <header class="dialog-head">
        <h2>Keys</h2>
        <IconButton name="close" label="Close" onClick={close} />
      </header>
      <dl class="keys">
        {keys.map(({ key, does }) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
