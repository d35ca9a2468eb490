import { maxMessage } from '../shared/chatkit';

/** Characters as the server counts them: an emoji is one, not two. Exact above the limit, at most too high below it. */
export function lengthOf(text: string): number {
  if (text.length <= maxMessage) return text.length;
  let n = 0;
  for (const _ of text) n++;
  return n;
}
