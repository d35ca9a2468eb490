import { maxTag, maxTags } from '../shared/tasks';

/** Reads tags as a person types them: by comma or space, with or without #, each once. */
export function readTags(text: string): string[] {
  const tags = text
    .split(/[,\s]+/)
    .map((tag) => tag.replace(/^#+/, '').slice(0, maxTag))
    .filter(Boolean);
  return [...new Set(tags)].slice(0, maxTags);
}
