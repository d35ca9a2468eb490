import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useSecondsUntil } from './hooks';
import { connection } from './connection';
import { Icon } from './icons';
import { giveToken, tokenWanted } from './session';
import { toasts } from './toast';

/** A modal dialog; without close it stays until it is taken away. */
export function Dialog(props: { label: string; close?: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const el = dialog.current!;
    el.showModal();
    return () => el.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-label={props.label}
      onCancel={(e) => {
        e.preventDefault();
        props.close?.();
      }}
      // A browser lets a second Escape through; without close there is no way out.
      onClose={() => dialog.current?.isConnected && (props.close ? props.close() : dialog.current.showModal())}
      onClick={(e) => e.target === dialog.current && props.close?.()}
    >
      <div class="dialog-body">{props.children}</div>
    </dialog>
  );
}

/** Asks for a token where the server does not give one out by name. */
export function TokenGate() {
  const field = useRef<HTMLInputElement>(null);
  const why = tokenWanted.value;
  if (why === '') return null;
  return (
    <Dialog label="Sign in">
      <form
        class="token"
        onSubmit={(e) => {
          e.preventDefault();
          const token = field.current!.value.trim().replace(/^Bearer\s+/i, '');
          if (token !== '') giveToken(token);
        }}
      >
        <h2>{why === 'refused' ? 'Your token is no longer valid' : 'Sign in'}</h2>
        <p>
          {why === 'refused' ? 'Paste a new one to go on where you were.' : 'Paste the access token that you were given.'} It stays in
          this page’s memory and goes with it.
        </p>
        <label>
          Access token
          <input ref={field} type="password" autocomplete="off" spellcheck={false} required placeholder="eyJ…" />
        </label>
        <button type="submit" class="small primary">
          Go on
        </button>
      </form>
    </Dialog>
  );
}

/** The line at the top when the server is out of reach. */
export function ConnectionLine() {
  const now = connection.value;
  const seconds = useSecondsUntil(now.state === 'lost' ? now.next : 0);
  return (
    <div class="connection" role="status" data-state={now.state}>
      {now.state === 'lost' && (
        <>
          <Icon name="warn" size={14} /> Connection lost. <span aria-hidden="true">{seconds > 0 ? `Trying again in ${seconds} s…` : 'Trying again…'}</span>
        </>
      )}
      {now.state === 'restored' && (
        <>
          <Icon name="check" size={14} /> Connected again.
        </>
      )}
    </div>
  );
}

export function Toasts() {
  return (
    <div class="toasts" role="region" aria-label="Notifications">
      {toasts.value.map((t) => (
        <div key={t.id} class="toast" role={t.tone === 'danger' ? 'alert' : 'status'} data-tone={t.tone}>
          <span>{t.text}</span>
          {t.action && (
            <button type="button" onClick={t.action.run}>
              {t.action.label}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
