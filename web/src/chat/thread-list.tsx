import { useEffect, useRef, useState } from 'preact/hooks';
import { maxThreadTitle, type Thread } from '../shared/chatkit';
import { useLasting } from '../shared/hooks';
import { Icon, IconButton } from '../shared/icons';
import { Problem, Skeleton } from '../shared/problem';
import { TitleField } from '../shared/title-field';
import { Windowed } from '../shared/windowed';
import { memo } from '../shared/memo';
import { arrows } from './keys';
import { newChat, showPane } from './panes';
import { go, openThread, pathOf } from './router';
import { hasMoreThreads, loadThreads, moreThreads, remove, rename, threads, threadsError, threadsState, titleOf } from './threads';
import { UserMenu } from './user-menu';

const keyOf = (thread: Thread) => thread.id;

export function ThreadList() {
  const root = useRef<HTMLDivElement>(null);
  const list = threads.value;
  const open = openThread.value;
  const state = threadsState.value;
  const skeleton = useLasting(state === 'loading');
  return (
    <nav class="pane threads" aria-label="Chats" data-pane="threads">
      <header class="pane-head">
        <h2>Chats</h2>
        <button type="button" id="new-chat" class="small" onClick={newChat} title="New chat (c)">
          <Icon name="add" size={14} /> New chat
        </button>
      </header>
      <div class="scroll" ref={root} tabIndex={-1} onKeyDown={arrows}>
        {skeleton && <Skeleton label="Loading chats" />}
        {state === 'failed' && <Problem retry={() => void loadThreads()}>The chats could not be loaded. {threadsError.value}</Problem>}
        {state === 'ready' && list.length === 0 && <p class="hint">No chats yet. What you write begins one.</p>}
        {list.length > 0 && (
          <div role="list">
            <Windowed
              root={root}
              items={list}
              keyOf={keyOf}
              estimate={34}
              from="start"
              version={open}
              render={(thread) => <ThreadRow key={thread.id} thread={thread} open={thread.id === open} />}
            />
          </div>
        )}
        <More root={root} count={list.length} />
      </div>
      <UserMenu />
    </nav>
  );
}

function More({ root, count }: { root: { current: HTMLDivElement | null }; count: number }) {
  const mark = useRef<HTMLDivElement>(null);
  const more = hasMoreThreads.value;
  useEffect(() => {
    if (!more) return;
    const observer = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && void moreThreads(), {
      root: root.current,
      rootMargin: '600px 0px',
    });
    observer.observe(mark.current!);
    return () => observer.disconnect();
  }, [more, count]);
  return <div ref={mark}>{more && <p class="hint">Loading more…</p>}</div>;
}

const ThreadRow = memo<{ thread: Thread; open: boolean }>(({ thread, open }) => {
  const [editing, setEditing] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const title = titleOf(thread);
  const stop = () => {
    setEditing(false);
    requestAnimationFrame(() => link.current?.focus());
  };
  if (editing) {
    return (
      <div role="listitem" class="thread" data-open={open}>
        <TitleField
          label="Title of the chat"
          max={maxThreadTitle}
          title={thread.title ?? ''}
          onDone={(value) => {
            stop();
            void rename(thread, value);
          }}
          onCancel={stop}
        />
      </div>
    );
  }
  return (
    <div role="listitem" class="thread" data-open={open} data-row>
      <a
        ref={link}
        href={pathOf(thread.id)}
        aria-current={open ? 'page' : undefined}
        title={title}
        onClick={(e) => {
          if (e.metaKey || e.ctrlKey || e.shiftKey) return;
          e.preventDefault();
          go(thread.id);
          showPane('chat');
        }}
        onDblClick={() => setEditing(true)}
        onKeyDown={(e) => {
          if (e.key === 'F2') setEditing(true);
          else if (e.key === 'Delete') remove(thread);
        }}
      >
        {title}
      </a>
      <span class="thread-actions">
        <IconButton name="pencil" size={14} label={`Rename ${title}`} title="Rename (F2)" onClick={() => setEditing(true)} />
        <IconButton name="trash" size={14} label={`Delete ${title}`} title="Delete" onClick={() => remove(thread)} />
      </span>
    </div>
  );
});
