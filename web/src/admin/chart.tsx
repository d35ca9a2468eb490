import { useState } from 'preact/hooks';
import { time } from './format';

interface Props {
  name: string;
  about: string;
  points: readonly { at: number; value: number | undefined }[];
  format: (value: number) => string;
  /** How long the whole width is, in ms. */
  span: number;
}

const [width, height] = [300, 72]; // of the picture, in its own units

/** A line through time that ends now. */
export function Chart({ name, about, points, format, span }: Props) {
  const [held, hold] = useState<number>();
  const known = points.filter((p): p is { at: number; value: number } => p.value !== undefined);
  const last = known.at(-1);
  const end = points.at(-1)?.at ?? 0;
  const top = Math.max(...known.map((p) => p.value), 0);
  const x = (at: number) => width - ((end - at) / span) * width;
  const y = (value: number) => (top === 0 ? height - 1 : height - 1 - (value / (top * 1.15)) * (height - 2));
  // A gap in what is known is a gap in the line.
  const runs: { at: number; value: number }[][] = [[]];
  for (const p of points) {
    if (p.value !== undefined) runs.at(-1)!.push(p as { at: number; value: number });
    else if (runs.at(-1)!.length > 0) runs.push([]);
  }
  const line = (run: typeof known) => run.map((p, i) => `${i ? 'L' : 'M'}${x(p.at).toFixed(1)} ${y(p.value).toFixed(1)}`).join('');
  const near = held === undefined ? undefined : known.toSorted((a, b) => Math.abs(x(a.at) - held) - Math.abs(x(b.at) - held))[0];
  const shown = near ?? last;
  const isNow = !near && last !== undefined && last.at === end;
  return (
    <figure class="chart">
      <figcaption>
        <h3>{name}</h3>
        <span class="chart-value">{shown ? format(shown.value) : '–'}</span>
        <small>{near ? `at ${time(new Date(near.at).toISOString()).slice(0, 8)}` : last === undefined ? 'nothing measured yet' : isNow ? about : `${about}; none lately`}</small>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={last ? `${name}: now ${isNow ? format(last.value) : 'none'}, at most ${format(top)}` : `${name}: nothing measured yet`}
        onPointerMove={(e) => {
          const box = e.currentTarget.getBoundingClientRect();
          hold(((e.clientX - box.left) / box.width) * width);
        }}
        onPointerLeave={() => hold(undefined)}
      >
        <path class="grid" d={`M0 ${height - 0.5}H${width}M0 ${y(top).toFixed(1)}H${width}`} />
        {runs.map((run, i) => run.length > 1 && <path key={i} class="area" d={`${line(run)}L${x(run.at(-1)!.at).toFixed(1)} ${height}L${x(run[0]!.at).toFixed(1)} ${height}Z`} />)}
        {runs.map((run, i) => run.length > 0 && <path key={i} class="line" d={run.length > 1 ? line(run) : `${line(run)}h2`} />)}
        {near && <path class="cross" d={`M${x(near.at).toFixed(1)} 0V${height}`} />}
      </svg>
      <span class="chart-top" aria-hidden="true">
        {top > 0 ? format(top) : ''}
      </span>
    </figure>
  );
}
