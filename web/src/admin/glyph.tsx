// Icons that only this page has; the rest are in shared/icons.
const paths = {
  log: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  stream: 'M2 8h12M4.5 5.5v5M8 3.5v9M11.5 5.5v5',
  turn: 'M4 3.2v9.6M4 8h3.5M4 12.8h3.5M4 3.2h3.5M8 2h5.5v2.6H8zM8 6.7h5.5v2.6H8zM8 11.4h5.5V14H8z',
  projections: 'M8 2 14 5 8 8 2 5zM2.4 8 8 10.8 13.6 8M2.4 11 8 13.8l5.6-2.8',
  health: 'M1.8 8.5h3l1.7-4.7 2.8 8.4 1.8-3.7h3.1',
  play: 'M5 3.2v9.6L12.8 8z',
  pause: 'M5.2 3.5v9M10.8 3.5v9',
  back: 'm10 4-4 4 4 4',
  filter: 'M2 3.5h12M4.5 8h7M6.8 12.5h2.4',
  causes: 'M13 8H3.5M7 4 3 8l4 4',
  effects: 'M3 8h9.5M9 4l4 4-4 4',
  key: 'M6.2 9.8a3 3 0 1 1 .1-.1L8 8l5.5-5.5M11 5l2 2M9.2 6.8l1.3 1.3',
} as const;

export type GlyphName = keyof typeof paths;

export function Glyph({ name, size = 16 }: { name: GlyphName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
