// The Markdown that models write, as a tree. Nothing in it is HTML: a tag in the
// text is text. The work is linear in the length of the text, whatever it holds.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em' | 'del'; children: Inline[] }
  | { kind: 'link'; href: string; host: string; children: Inline[] }
  | { kind: 'break' };

export type Align = 'left' | 'center' | 'right' | undefined;

export type Block =
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'code'; lang: string; text: string }
  | { kind: 'quote'; children: Block[] }
  | { kind: 'list'; ordered: boolean; start: number; items: ListItem[] }
  | { kind: 'table'; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };

export interface ListItem {
  checked: boolean | undefined;
  children: Block[];
}

const maxDepth = 8;

/**
 * Parses a text. An open one is still being written: a mark at its end that has
 * no partner yet is taken as if it had, so that nothing is set twice.
 */
export function parse(source: string, open = false): Block[] {
  return blocks(source.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD').split('\n'), 0, open);
}

// None of these can match one piece of a line in two ways, so none backtracks for long.
const fence = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const heading = /^ {0,3}(#{1,6})(?:[ \t](.*))?$/;
const rule = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const bullet = /^( *)([-*+]|\d{1,9}[.)])(?:[ \t]+(.*)|)$/;
const quote = /^ {0,3}> ?(.*)$/;
const delimiterRow = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

function blocks(lines: string[], depth: number, open: boolean): Block[] {
  const out: Block[] = [];
  let at = 0;
  const text = (s: string) => inline(s, open && at >= lines.length);
  while (at < lines.length) {
    const line = lines[at]!;
    if (line.trim() === '') {
      at++;
      continue;
    }
    let match: RegExpExecArray | null;
    if ((match = fence.exec(line))) {
      const [, indent, marks, info] = match as unknown as [string, string, string, string];
      const close = new RegExp(`^ {0,3}\\${marks[0]}{${marks.length},}[ \\t]*$`);
      const code: string[] = [];
      for (at++; at < lines.length && !close.test(lines[at]!); at++) code.push(unindent(lines[at]!, indent.length));
      at++;
      out.push({ kind: 'code', lang: info.trim().split(/\s/, 1)[0]!, text: code.join('\n') });
    } else if ((match = heading.exec(line))) {
      at++;
      out.push({ kind: 'heading', level: match[1]!.length, children: text(headingText(match[2] ?? '')) });
    } else if (rule.test(line)) {
      out.push({ kind: 'rule' });
      at++;
    } else if (depth < maxDepth && quote.test(line)) {
      const inner: string[] = [];
      for (; at < lines.length && (match = quote.exec(lines[at]!)); at++) inner.push(match[1]!);
      out.push({ kind: 'quote', children: blocks(inner, depth + 1, open && at >= lines.length) });
    } else if (depth < maxDepth && bullet.test(line)) {
      at = list(lines, at, depth, open, out);
    } else if (line.includes('|') && at + 1 < lines.length && delimiterRow.test(lines[at + 1]!) && lines[at + 1]!.includes('-')) {
      at = table(lines, at, out);
    } else {
      const words: string[] = [line.trim()];
      for (at++; at < lines.length && !interrupts(lines[at]!, depth); at++) words.push(lines[at]!.trim());
      out.push({ kind: 'paragraph', children: text(words.join('\n')) });
    }
  }
  return out;
}

// interrupts says whether a line ends the paragraph before it.
function interrupts(line: string, depth: number): boolean {
  if (line.trim() === '' || fence.test(line) || heading.test(line) || rule.test(line)) return true;
  if (depth >= maxDepth) return false;
  if (quote.test(line)) return true;
  const item = bullet.exec(line);
  // A number in running text ("… in\n1984. …") is no list; 1. is one.
  return item !== null && item[3] !== undefined && (!/\d/.test(item[2]!) || /^1[.)]$/.test(item[2]!));
}

// headingText takes off the marks that may close a heading.
function headingText(text: string): string {
  const trimmed = text.trim();
  let end = trimmed.length;
  while (trimmed[end - 1] === '#') end--;
  return end === 0 || /\s/.test(trimmed[end - 1]!) ? trimmed.slice(0, end).trim() : trimmed;
}

function unindent(line: string, by: number): string {
  let n = 0;
  while (n < by && line[n] === ' ') n++;
  return line.slice(n);
}

function list(lines: string[], at: number, depth: number, open: boolean, out: Block[]): number {
  const first = bullet.exec(lines[at]!)!;
  const ordered = /\d/.test(first[2]!);
  const items: ListItem[] = [];
  const base = first[1]!.length;
  while (at < lines.length) {
    const match = bullet.exec(lines[at]!);
    if (!match || rule.test(lines[at]!) || match[1]!.length > base + 3 || /\d/.test(match[2]!) !== ordered) break;
    if (match[1]!.length < base) break;
    const indent = match[1]!.length + match[2]!.length + 1;
    const inner = [match[3] ?? ''];
    let blank = false;
    for (at++; at < lines.length; at++) {
      const line = lines[at]!;
      if (line.trim() === '') {
        blank = true;
        inner.push('');
        continue;
      }
      const spaces = line.length - line.trimStart().length;
      if (spaces >= Math.min(indent, base + 2)) inner.push(unindent(line, indent));
      else if (blank || interrupts(line, depth) || bullet.test(line)) break;
      else inner.push(line);
      blank = false;
    }
    while (inner.at(-1) === '') inner.pop();
    const box = /^\[([ xX])\][ \t]+(.*)$/.exec(inner[0] ?? '');
    if (box) inner[0] = box[2]!;
    items.push({ checked: box ? box[1] !== ' ' : undefined, children: blocks(inner, depth + 1, open && at >= lines.length) });
  }
  out.push({ kind: 'list', ordered, start: ordered ? Number.parseInt(first[2]!, 10) : 1, items });
  return at;
}

function cells(line: string): string[] {
  const row = line.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '');
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function table(lines: string[], at: number, out: Block[]): number {
  const head = cells(lines[at]!).map((cell) => inline(cell));
  const align = cells(lines[at + 1]!).map((cell): Align => {
    const [left, right] = [cell.startsWith(':'), cell.endsWith(':')];
    return left && right ? 'center' : right ? 'right' : left ? 'left' : undefined;
  });
  const rows: Inline[][][] = [];
  for (at += 2; at < lines.length && lines[at]!.trim() !== '' && lines[at]!.includes('|'); at++) {
    const row = cells(lines[at]!);
    rows.push(head.map((_, i) => inline(row[i] ?? '')));
  }
  out.push({ kind: 'table', align, head, rows });
  return at;
}

const punctuation = /[!-/:-@[-`{-~]/;
const wordChar = /[\p{L}\p{N}]/u;
const space = /\s/;
const angleLink = /<((?:https?:\/\/|mailto:)[^\s<>]+)>/y;
const bareLink = /https?:\/\/[^\s<>"'`\\^{}|]+/y;
const target = /\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;

/** What stands at a place, and where it ends. */
interface Found {
  nodes: Inline[];
  end: number;
}

/** Parses a line or a paragraph; a line break in it is kept. */
export function inline(text: string, open = false): Inline[] {
  // Marks that have no partner behind a place have none behind a later one
  // either; to remember that keeps the work linear.
  const lonely = new Map<string, number>();
  return run(0, text.length, 0);

  function run(from: number, to: number, depth: number): Inline[] {
    const out: Inline[] = [];
    let plain = '';
    const flush = () => {
      if (plain !== '') out.push({ kind: 'text', text: plain });
      plain = '';
    };
    for (let at = from; at < to; ) {
      const char = text[at]!;
      const next = text[at + 1];
      const mark = '`*_~'.includes(char);
      let found: Found | undefined;
      if (char === '\\' && at + 1 < to && punctuation.test(next!)) {
        plain += next;
        at += 2;
        continue;
      }
      if (char === '\n') found = { nodes: [{ kind: 'break' }], end: at + 1 };
      else if (char === '`') found = code(at, to);
      else if (char === 'h' && !wordChar.test(text[at - 1] ?? ' ')) found = bare(at, to);
      else if (char === '<') found = angle(at, to);
      else if (depth < maxDepth) {
        if (mark) found = emphasis(at, from, to, depth);
        else if (char === '[') found = link(at, to, depth);
        else if (char === '!' && next === '[') found = link(at + 1, to, depth);
      }
      // A whole run of marks is text, lest its second half be taken for one.
      const end = found ? found.end : mark ? Math.min(runEnd(at), to) : at + 1;
      if (found) {
        flush();
        out.push(...found.nodes);
      } else plain += text.slice(at, end);
      at = end;
    }
    flush();
    return out;
  }

  function runEnd(at: number): number {
    let end = at;
    while (text[end] === text[at]) end++;
    return end;
  }

  // find returns where a mark next stands, or -1.
  function find(mark: string, from: number, to: number): number {
    if (from >= (lonely.get(mark + to) ?? Infinity)) return -1;
    const at = text.indexOf(mark, from);
    if (at >= 0 && at + mark.length <= to) return at;
    forget(mark, from, to);
    return -1;
  }

  // forget notes that mark has no partner between from and to.
  function forget(mark: string, from: number, to: number): void {
    lonely.set(mark + to, Math.min(lonely.get(mark + to) ?? Infinity, from));
  }

  // unfinished says whether a mark that ends nowhere before `to` may yet end behind it.
  function unfinished(to: number): boolean {
    return open && to === text.length;
  }

  function code(at: number, to: number): Found | undefined {
    const begin = runEnd(at);
    const mark = text.slice(at, begin);
    let close = find(mark, begin, to);
    while (close >= 0 && runEnd(close) !== close + mark.length) close = find(mark, runEnd(close), to);
    if (close < 0) {
      forget(mark, begin, to);
      return unfinished(to) ? { nodes: begin < to ? [{ kind: 'code', text: text.slice(begin, to) }] : [], end: to } : undefined;
    }
    let inner = text.slice(begin, close).replaceAll('\n', ' ');
    if (/^ .*[^ ].* $/.test(inner)) inner = inner.slice(1, -1);
    return { nodes: [{ kind: 'code', text: inner }], end: close + mark.length };
  }

  function emphasis(at: number, from: number, to: number, depth: number): Found | undefined {
    const char = text[at]!;
    const length = Math.min(runEnd(at), to) - at;
    if (char === '~' && length !== 2) return undefined;
    const size = length >= 2 ? 2 : 1;
    const before = at > from ? text[at - 1]! : ' ';
    const after = text[at + length] ?? ' ';
    if (at + length === to && unfinished(to)) return { nodes: [], end: to }; // what it marks is still to come
    if (space.test(after) || (char === '_' && wordChar.test(before))) return undefined;
    const marked = (inner: number, end: number): Found => ({
      nodes: [{ kind: char === '~' ? 'del' : size === 2 ? 'strong' : 'em', children: run(at + size, inner, depth + 1) }],
      end,
    });
    // Three marks are strong around emphasis: the outer pair is the strong one.
    const mark = char.repeat(size);
    for (let close = find(mark, at + length, to); close >= 0; close = find(mark, runEnd(close), to)) {
      const end = Math.min(runEnd(close), to);
      if (space.test(text[close - 1]!) || (char === '_' && wordChar.test(text[end] ?? ' '))) continue;
      if (size === 1 ? end - close === 2 : end - close < 2) continue; // belongs to what is inside, or is too short
      return marked(Math.max(at + size, end - size), end);
    }
    forget(mark, at + length, to);
    // The first half of its partner may be there already.
    return unfinished(to) ? marked(to - (text[to - 1] === char && text[to - 2] !== char ? 1 : 0), to) : undefined;
  }

  function link(at: number, to: number, depth: number): Found | undefined {
    let level = 0;
    let close = at;
    const limit = Math.min(to, at + 1000); // a longer label is no label
    for (; close < limit; close++) {
      const char = text[close];
      if (char === '\\') close++;
      else if (char === '[') level++;
      else if (char === ']' && --level === 0) break;
    }
    if (close >= limit || text[close + 1] !== '(') return undefined;
    const match = matchAt(target, text.slice(0, Math.min(to, close + 4000)), close + 1);
    if (!match) return undefined;
    const children = run(at + 1, close, depth + 1).flatMap((c) => (c.kind === 'link' ? c.children : [c])); // no link in a link
    const end = close + 1 + match[0].length;
    return linked(match[1]!, children, end) ?? { nodes: children, end }; // one that leads nowhere safe is its text
  }

  function bare(at: number, to: number): Found | undefined {
    const match = matchAt(bareLink, text, at);
    if (!match) return undefined;
    let url = withoutEnd(match[0].slice(0, to - at), '.,;:!?*_~');
    while (url.endsWith(')') && count(url, ')') > count(url, '(')) url = url.slice(0, -1);
    url = withoutEnd(url, '.,;:!?]');
    return linked(url, [{ kind: 'text', text: url }], at + url.length);
  }

  function angle(at: number, to: number): Found | undefined {
    const match = matchAt(angleLink, text, at);
    if (!match || at + match[0].length > to) return undefined;
    return linked(match[1]!, [{ kind: 'text', text: match[1]! }], at + match[0].length);
  }
}

function linked(url: string, children: Inline[], end: number): Found | undefined {
  const safe = safeUrl(url);
  return safe && { nodes: [{ kind: 'link', ...safe, children }], end };
}

// matchAt matches a sticky expression.
function matchAt(exp: RegExp, text: string, at: number): RegExpExecArray | null {
  exp.lastIndex = at;
  return exp.exec(text);
}

// withoutEnd takes marks off the end; an expression would try each of them anew.
function withoutEnd(text: string, marks: string): string {
  let end = text.length;
  while (end > 0 && marks.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function count(text: string, char: string): number {
  return text.split(char).length - 1;
}

/** Only these lead anywhere: no script, no file, nothing relative to us. */
export function safeUrl(href: string): { href: string; host: string } | undefined {
  if (!URL.canParse(href)) return undefined;
  const url = new URL(href);
  if (url.protocol === 'mailto:') return { href: url.href, host: '' };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  return { href: url.href, host: url.host };
}
