import { useEffect } from 'preact/hooks';
import { ConnectionLine, Toasts, TokenGate } from '../shared/dialogs';
import { Icon, IconButton } from '../shared/icons';
import { Help } from '../shared/tools';
import { chat } from './chats';
import { Composer } from './composer';
import { keys } from './keys';
import { helpOpen, newChat, pane, showPane, type Pane } from './panes';
import { openThread } from './router';
import { TaskPane } from './task-pane';
import { ThreadList } from './thread-list';
import { current, titleOf } from './threads';
import { Transcript } from './transcript';

export function App() {
  return (
    <>
      <ConnectionLine />
      <main class="layout" data-shown={pane.value}>
        <h1 class="offscreen">chatkitd</h1>
        <ThreadList />
        <ChatPane />
        <TaskPane />
        <button type="button" class="scrim" aria-label="Close the list of chats" tabIndex={-1} onClick={() => showPane('chat')} />
      </main>
      <Tabs />
      <Toasts />
      <Announcer />
      <Help keys={keys} open={helpOpen} />
      <TokenGate />
    </>
  );
}

function ChatPane() {
  const open = chat.value;
  const title = openThread.value === '' ? 'New chat' : titleOf(current.value);
  useEffect(() => {
    document.title = openThread.value === '' ? 'chatkitd' : `${title} · chatkitd`;
  }, [title]);
  return (
    <section class="pane chat" aria-label="Conversation" data-pane="chat">
      <header class="pane-head">
        <IconButton name="menu" class="quiet to-threads" label="Chats" onClick={() => showPane('threads')} />
        <h2>{title}</h2>
        <IconButton name="add" class="quiet to-new" label="New chat" title="New chat (c)" onClick={newChat} />
      </header>
      <Transcript chat={open} />
      <Composer chat={open} />
    </section>
  );
}

const tabs: readonly { pane: Pane; label: string; icon: 'menu' | 'chat' | 'list' }[] = [
  { pane: 'threads', label: 'Chats', icon: 'menu' },
  { pane: 'chat', label: 'Chat', icon: 'chat' },
  { pane: 'tasks', label: 'Tasks', icon: 'list' },
];

// Tabs stand at the bottom where there is room for one pane only.
function Tabs() {
  return (
    <nav class="tabs" aria-label="Panes">
      {tabs.map((tab) => (
        <button key={tab.pane} type="button" aria-current={pane.value === tab.pane ? 'true' : undefined} onClick={() => showPane(tab.pane)}>
          <Icon name={tab.icon} size={18} />
          {tab.label}
        </button>
      ))}
    </nav>
  );
}

// Announcer tells a screen reader a finished answer, once, and not word by word.
function Announcer() {
  return (
    <div class="offscreen" role="status" aria-live="polite" id="announcer">
      {chat.value.announcement.value}
    </div>
  );
}
