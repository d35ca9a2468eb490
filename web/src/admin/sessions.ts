// Another operator begins with nothing that the one before has seen.
import { batch, signal } from '@preact/signals';
import { onSwitch } from '../shared/session';
import { forbidden } from './follow';
import { events } from './log';
import { projections } from './projections';

/** How many operators there have been: a new one draws the page anew. */
export const sessions = signal(0);

onSwitch(() =>
  batch(() => {
    events.value = [];
    projections.value = [];
    forbidden.value = '';
    sessions.value++;
  }),
);
