import type { ComponentProps } from 'preact';

// Icons as inline SVG, drawn on a grid of 16: no font, no request.
const paths = {
  add: 'M8 3v10M3 8h10',
  up: 'M8 13V3.5M3.8 7.5 8 3.3l4.2 4.2',
  down: 'M8 3v9.5M3.8 8.5 8 12.7l4.2-4.2',
  stop: 'M4.5 4.5h7v7h-7z',
  chevron: 'm6 4 4 4-4 4',
  check: 'm3.5 8.5 3 3 6-7',
  close: 'm4 4 8 8M12 4l-8 8',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  pencil: 'M3 13l.7-3L10.5 3.2l2.3 2.3L6 12.3z',
  trash: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5 13.5 13.5',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  thumb: 'M5 7.2v6H2.8v-6zM5 7.2 7.6 2.6c1 0 1.6.7 1.5 1.7L8.8 6.4h3.5c.9 0 1.4.7 1.2 1.5l-1 4.1c-.2.7-.7 1.2-1.4 1.2H5',
  retry: 'M3 8a5 5 0 1 0 1.6-3.7M3 2.8v2.7h2.7',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  sun: 'M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  moon: 'M13 9.6A5.4 5.4 0 0 1 6.4 3a5.4 5.4 0 1 0 6.6 6.6z',
  system: 'M2.5 3.5h11v7h-11zM6 13h4M8 10.5V13',
  keyboard: 'M1.8 4.5h12.4v7H1.8zM4.3 7h.01M6.8 7h.01M9.3 7h.01M11.8 7h.01M5 9.3h6',
  chat: 'M2.5 3.5h11v7.5H7l-3 2.5V11H2.5z',
  list: 'M6 4h7.5M6 8h7.5M6 12h7.5M2.5 4h.01M2.5 8h.01M2.5 12h.01',
  flag: 'M4 14V2.8M4 3h8l-2 2.7 2 2.8H4',
  notes: 'M3.5 4.5h9M3.5 8h9M3.5 11.5h5',
  spark: 'M8 2.5 9.4 6.6 13.5 8 9.4 9.4 8 13.5 6.6 9.4 2.5 8 6.6 6.6z',
  warn: 'M8 2.5 14 13H2zM8 6.5v3M8 11.3h.01',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

type ButtonProps = Omit<ComponentProps<'button'>, 'name' | 'label' | 'size'>;

/** A button that is an icon. Its title is its label, unless it says more. */
export function IconButton({ name, label, size, ...rest }: { name: IconName; label: string; size?: number } & ButtonProps) {
  return (
    <button type="button" class="quiet" aria-label={label} title={label} {...rest}>
      <Icon name={name} {...(size && { size })} />
    </button>
  );
}
