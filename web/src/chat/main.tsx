import { render } from 'preact';
import { onSwitch } from '../shared/session';
import '../shared/theme';
import '../styles/base.css';
import '../styles/layout.css';
import '../styles/conversation.css';
import '../styles/tasks.css';
import { App } from './app';
import { chat, resetChat } from './chats';
import { listenToKeys } from './keys';
import { followTasks, resetTasks } from './tasks';
import { loadThreads, refreshThreads, resetThreads } from './threads';

render(<App />, document.getElementById('app')!);
listenToKeys();
followTasks();
void loadThreads();

// Another window or device may have gone on while this one was not looked at.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible') return;
  void chat.value.refresh();
  void refreshThreads();
});

onSwitch(() => {
  resetChat();
  resetThreads();
  resetTasks();
});
