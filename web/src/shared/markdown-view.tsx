import type { ComponentChildren } from 'preact';
import { memo } from './memo';
import { parse, type Block, type Inline, type ListItem } from './markdown';
import { CopyButton } from './copy';

/** Text of a model, formatted. Everything becomes elements and text; nothing becomes HTML. */
export const Markdown = memo<{ text: string; open?: boolean }>(({ text, open }) => <div class="md">{blocks(parse(text, open))}</div>);

// Headings in a text stand below those of the page and never skip a level.
function blocks(list: Block[]): ComponentChildren {
  let level = 2;
  return list.map((block, i) => {
    if (block.kind === 'heading') level = Math.min(level + 1, block.level + 2, 6);
    return <BlockView key={i} block={block} level={level} />;
  });
}

function BlockView({ block, level }: { block: Block; level: number }) {
  switch (block.kind) {
    case 'paragraph':
      return <p>{inline(block.children)}</p>;
    case 'heading': {
      const Tag = `h${level}` as 'h3';
      return <Tag class={`md-h${Math.min(block.level, 4)}`}>{inline(block.children)}</Tag>;
    }
    case 'code':
      return (
        <div class="md-code">
          <pre tabIndex={0} aria-label={block.lang ? `Code, ${block.lang}` : 'Code'} role="group">
            <code>{block.text}</code>
          </pre>
          <CopyButton text={() => block.text} label="Copy code" />
        </div>
      );
    case 'quote':
      return <blockquote>{blocks(block.children)}</blockquote>;
    case 'list': {
      const items = block.items.map((item, i) => <Item key={i} item={item} />);
      return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
    }
    case 'table':
      return (
        <div class="md-table" tabIndex={0} role="group" aria-label="Table">
          <table>
            <thead>
              <tr>{block.head.map((cell, i) => <th key={i} scope="col" data-align={block.align[i]}>{inline(cell)}</th>)}</tr>
            </thead>
            <tbody>
              {block.rows.map((row, r) => (
                <tr key={r}>{row.map((cell, i) => <td key={i} data-align={block.align[i]}>{inline(cell)}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    case 'rule':
      return <hr />;
  }
}

// A list item that is one paragraph is set tight.
function Item({ item }: { item: ListItem }) {
  const [first, ...rest] = item.children;
  return (
    <li class={item.checked === undefined ? undefined : 'md-check'}>
      {item.checked !== undefined && <input type="checkbox" checked={item.checked} disabled aria-label={item.checked ? 'done' : 'open'} />}
      {first?.kind === 'paragraph' ? inline(first.children) : first && <BlockView block={first} level={3} />}
      {blocks(rest)}
    </li>
  );
}

function inline(list: Inline[]): ComponentChildren {
  return list.map((node, i) => {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'code':
        return <code key={i}>{node.text}</code>;
      case 'strong':
        return <strong key={i}>{inline(node.children)}</strong>;
      case 'em':
        return <em key={i}>{inline(node.children)}</em>;
      case 'del':
        return <del key={i}>{inline(node.children)}</del>;
      case 'break':
        return <br key={i} />;
      case 'link':
        return <Link key={i} href={node.href} host={node.host} label={plain(node.children)}>{inline(node.children)}</Link>;
    }
  });
}

function plain(list: Inline[]): string {
  return list.map((n) => ('children' in n ? plain(n.children) : 'text' in n ? n.text : ' ')).join('');
}

/** A link out of the page that shows where it leads. */
export function Link(props: { href: string; host: string; label: string; children: ComponentChildren }) {
  const shown = props.label.toLowerCase().startsWith('http') || props.host === '' ? '' : props.host;
  return (
    <>
      <a href={props.href} target="_blank" rel="noopener noreferrer nofollow">{props.children}</a>
      {shown && <span class="md-host"> ({shown})</span>}
    </>
  );
}
