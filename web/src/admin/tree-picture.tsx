import { useRef } from 'preact/hooks';
import { duration, number } from './format';
import { boxHeight, edge, type Box, type Picture } from './tree';

interface Props {
  picture: Picture;
  chosen: Box;
  /** The paths that are not dimmed; undefined when none is. */
  lit: ReadonlySet<string> | undefined;
  choose: (box: Box) => void;
}

const titles: Record<string, string> = { request: 'Request', message: 'Message', turn: 'Turn', model: 'Model', tool: 'Tool', event: 'Event' };

/** The causal tree as a picture, and as a tree to move in with the arrow keys. */
export function TreePicture({ picture, chosen, lit, choose }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const { boxes, wide } = picture;
  const to = (box: Box | undefined) => {
    if (!box) return;
    choose(box);
    svg.current!.querySelector<SVGGElement>(`[data-path="${box.path}"]`)?.focus();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const siblings = boxes.filter((box) => (wide ? box.depth === chosen.depth : true));
    const at = siblings.indexOf(chosen);
    const next = { ArrowLeft: chosen.parent, ArrowRight: boxes.find((box) => box.parent === chosen), ArrowUp: siblings[at - 1], ArrowDown: siblings[at + 1], Home: boxes[0], End: boxes.at(-1) };
    if (!(e.key in next) || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    to(next[e.key as keyof typeof next]);
  };
  const on = (box: Box) => !lit || lit.has(box.path);
  return (
    <svg ref={svg} class="tree" width={picture.width + 2} height={picture.height + 2} role="tree" aria-label="What caused what" onKeyDown={onKeyDown}>
      <g transform="translate(1 1)" role="presentation">
        {boxes.map((box) => box.parent && <path key={box.path} class="edge" data-lit={lit ? on(box) && on(box.parent) : undefined} d={edge(box.parent, box, wide)} />)}
        {boxes.map((box) => {
          const { node } = box;
          const isChosen = box.path === chosen.path;
          const [name, title] = namesOf(box);
          const tail = tailOf(box);
          const head = `${name}${tail && ` · ${tail}`}`;
          return (
            <g
              key={box.path}
              class="node"
              role="treeitem"
              data-path={box.path}
              data-kind={node.kind}
              data-lit={lit ? on(box) : undefined}
              aria-level={box.depth + 1}
              aria-selected={isChosen}
              aria-label={`${head} ${title}`}
              tabindex={isChosen ? 0 : -1}
              transform={`translate(${box.x} ${box.y})`}
              onClick={() => choose(box)}
            >
              <rect width={box.width} height={boxHeight} rx={8} />
              <rect class="stripe" x={0} y={10} width={3} height={boxHeight - 20} rx={1.5} />
              {/* An SVG of its own cuts off what is too long for it: there is no ellipsis in SVG. */}
              <svg class="node-text" aria-hidden="true" x={13} width={Math.max(0, box.width - 20)} height={boxHeight}>
                <text class="node-kind" y={20}>
                  {head}
                </text>{' '}
                <text class="node-title" y={38}>
                  {title}
                </text>
              </svg>
            </g>
          );
        })}
      </g>
    </svg>
  );
}

// A tool is told apart by its name and by what it is called for, not by its
// arguments in their order.
// Of the calls of a model the number says which it was.
function namesOf({ node }: Box): [name: string, title: string] {
  const { name, arguments: given, n } = (node.detail ?? {}) as { name?: string; arguments?: Record<string, unknown>; n?: number };
  if (node.kind === 'model' && n) return [`Model, call ${n}`, node.title];
  if (node.kind !== 'tool' || !name) return [titles[node.kind] ?? node.kind, node.title];
  const what = given?.['title'] ?? given?.['name'] ?? given?.['task_id'];
  return [name, typeof what === 'string' ? what : JSON.stringify(given ?? {})];
}

// What there is to say about a step in a word or two: its tokens, its time.
function tailOf({ node }: Box): string {
  const detail = (node.detail ?? {}) as Record<string, unknown>;
  const usage = (typeof detail['usage'] === 'object' && detail['usage'] !== null ? detail['usage'] : detail) as Record<string, unknown>;
  const count = (name: string) => (typeof usage[name] === 'number' ? (usage[name] as number) : 0);
  const tokens = count('total_tokens') || count('input_tokens') + count('output_tokens');
  return [node.duration_ms ? duration(node.duration_ms) : '', node.kind === 'model' && tokens ? `${number(tokens)} tok` : ''].filter((s) => s !== '').join(' · ');
}
