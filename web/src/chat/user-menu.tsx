import { useRef } from 'preact/hooks';
import { Icon } from '../shared/icons';
import { development, switchUser, user } from '../shared/session';
import { Tools } from '../shared/tools';
import { helpOpen } from './panes';

export function UserMenu() {
  return (
    <footer class="who">
      {development.value ? <NameBox /> : <span class="who-name">{user.value}</span>}
      <Tools help={helpOpen} />
    </footer>
  );
}

// NameBox makes somebody else of the person, which only a server in development
// allows: with two windows one sees that nobody sees the other's things.
function NameBox() {
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const become = (e: Event) => {
    e.preventDefault();
    const name = field.current!.value.trim();
    if (name !== '' && name !== user.value) switchUser(name);
    else box.current!.hidePopover();
  };
  return (
    <>
      <button type="button" class="who-name" popovertarget="who-box" aria-label={`Signed in as ${user.value}. Switch user`}>
        <span class="avatar" aria-hidden="true" data-letter={user.value.slice(0, 1).toUpperCase()} />
        <span class="who-text">{user.value}</span>
        <Icon name="chevron" size={12} />
      </button>
      <div
        id="who-box"
        class="who-box"
        popover="auto"
        ref={box}
        role="dialog"
        aria-label="Switch user"
        onToggle={(e) => (e as unknown as ToggleEvent).newState === 'open' && field.current!.select()}
      >
        <form onSubmit={become}>
          <label>
            Be somebody else
            <input ref={field} name="user" defaultValue={user.value} maxLength={64} autocomplete="off" spellcheck={false} required />
          </label>
          <button type="submit" class="small primary">
            Switch
          </button>
          <p class="hint">In development only. Each window has its own user.</p>
        </form>
      </div>
    </>
  );
}
