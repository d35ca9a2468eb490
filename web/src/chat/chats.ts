// Which conversation is open: the one in the address bar.
import { effect, signal, untracked } from '@preact/signals';
import { Conversation } from './conversation';
import { openThread } from './router';
import { touchThread } from './threads';

export const chat = signal(new Conversation(openThread.value));

effect(() => {
  const id = openThread.value;
  untracked(() => {
    // A new chat that has just got its id is the same conversation.
    if (chat.value.id.value !== id) {
      chat.value.close();
      chat.value = new Conversation(id);
    }
    if (id !== '') void touchThread(id);
  });
});

/** Opens an empty chat even where one is open. */
export function resetChat(): void {
  chat.value.close();
  chat.value = new Conversation(openThread.value);
}
