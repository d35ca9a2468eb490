// Where a message is written.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { maxMessage } from '../shared/chatkit';
import { Icon } from '../shared/icons';
import { user } from '../shared/session';
import type { Conversation } from './conversation';
import { lengthOf } from './length';

const storageOf = (thread: string) => `chatkitd.draft.${user.value}.${thread || 'new'}`;

export function Composer({ chat }: { chat: Conversation }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const text = chat.draft.value;
  const busy = chat.busy.value;
  const waiting = chat.outgoing.value !== undefined && !busy;
  const over = lengthOf(text) - maxMessage;
  const ready = text.trim() !== '' && over <= 0 && !busy && !waiting && chat.state.value === 'ready';
  const thread = chat.id.value;
  const name = user.value;

  // A draft survives a reload, also one that comes at once; it moves along when a
  // new chat gets its id.
  useLayoutEffect(() => {
    if (name !== '' && chat.draft.peek() === '') chat.draft.value = sessionStorage.getItem(storageOf(thread)) ?? '';
    return () => {
      if (thread === '' && chat.id.peek() !== '') sessionStorage.removeItem(storageOf(''));
    };
  }, [chat, thread, name]);
  useLayoutEffect(() => {
    if (name === '') return;
    if (text === '') sessionStorage.removeItem(storageOf(thread));
    else sessionStorage.setItem(storageOf(thread), text);
  }, [text, thread, name]);

  // Where the browser cannot size a field by its content.
  useLayoutEffect(() => {
    if (CSS.supports('field-sizing', 'content')) return;
    const el = box.current!;
    el.style.height = 'auto';
    el.style.height = `${el.scrollHeight}px`;
  }, [text]);

  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) box.current?.focus({ preventScroll: true });
  }, [chat]);

  const send = () => {
    if (!ready) return;
    const message = text.trim();
    chat.draft.value = '';
    chat.send(message);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.isComposing) return;
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      send();
    } else if (e.key === 'Escape' && busy) {
      e.preventDefault();
      void chat.stop();
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(e) => {
        e.preventDefault();
        send();
      }}
    >
      <div class="composer-box" data-over={over > 0}>
        <textarea
          id="message"
          ref={box}
          rows={1}
          placeholder="Message…"
          aria-label="Message"
          aria-describedby={over > 0 ? 'message-over' : undefined}
          aria-invalid={over > 0}
          enterkeyhint="send"
          value={text}
          onInput={(e) => (chat.draft.value = e.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        {busy ? (
          <button type="button" class="send" aria-label="Stop" title="Stop (Esc)" disabled={chat.stopping.value} onClick={() => void chat.stop()}>
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" class="send" aria-label="Send" title="Send (Enter)" aria-disabled={!ready} data-ready={ready}>
            <Icon name="up" />
          </button>
        )}
      </div>
      <p class="composer-over" id="message-over" role="status">
        {over > 0 && `${over.toLocaleString('en')} ${over === 1 ? 'character' : 'characters'} too long (at most ${maxMessage.toLocaleString('en')}).`}
      </p>
    </form>
  );
}
