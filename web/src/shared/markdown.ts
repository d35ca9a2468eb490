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

/** Parses a line or a paragraph; a line break in it is kept. */
export function inline(text: string, open = false): Inline[] {
  return new InlineParser(text, open).run(0, text.length, 0);
}

const punctuation = /[!-/:-@[-`{-~]/;
const wordChar = /[\p{L}\p{N}]/u;
const angleLink = /<((?:https?:\/\/|mailto:)[^\s<>]+)>/y;
const bareLink = /https?:\/\/[^\s<>"'`\\^{}|]+/y;

interface Found {
  nodes: Inline[];
  end: number;
}

class InlineParser {
  // Marks that have no partner behind a place have none behind a later one
  // either; to remember that keeps the work linear.
  private lonely = new Map<string, number>();

  constructor(
    private readonly text: string,
    private readonly open: boolean,
  ) {}

  run(from: number, to: number, depth: number): Inline[] {
    const out: Inline[] = [];
    let plain = '';
    const flush = () => {
      if (plain !== '') out.push({ kind: 'text', text: plain });
      plain = '';
    };
    let at = from;
    while (at < to) {
      const char = this.text[at]!;
      let found: Found | undefined;
      if (char === '\\' && at + 1 < to && punctuation.test(this.text[at + 1]!)) {
        plain += this.text[at + 1];
        at += 2;
        continue;
      }
      if (char === '\n') found = { nodes: [{ kind: 'break' }], end: at + 1 };
      else if (char === '`') found = this.code(at, to);
      else if (char === '*' || char === '_' || char === '~') found = depth < maxDepth ? this.emphasis(at, from, to, depth) : undefined;
      else if (char === '[') found = depth < maxDepth ? this.link(at, to, depth) : undefined;
      else if (char === '!' && this.text[at + 1] === '[') found = depth < maxDepth ? this.link(at + 1, to, depth) : undefined;
      else if (char === 'h' && !wordChar.test(this.text[at - 1] ?? ' ')) found = this.bare(at, to);
      else if (char === '<') found = this.angle(at, to);
      if (found) {
        flush();
        out.push(...found.nodes);
        at = found.end;
      } else if (char === '`' || char === '*' || char === '_' || char === '~') {
        // The whole run is text, lest its second half be taken for a mark.
        const end = Math.min(this.runEnd(at), to);
        plain += this.text.slice(at, end);
        at = end;
      } else {
        plain += char;
        at++;
      }
    }
    flush();
    return out;
  }

  private runEnd(at: number): number {
    let end = at;
    while (this.text[end] === this.text[at]) end++;
    return end;
  }

  // find returns where a mark next stands, or -1.
  private find(mark: string, from: number, to: number): number {
    if (from >= (this.lonely.get(`${mark}${to}`) ?? Infinity)) return -1;
    const at = this.text.indexOf(mark, from);
    if (at >= 0 && at + mark.length <= to) return at;
    this.forget(mark, from, to);
    return -1;
  }

  // forget notes that mark has no partner between from and to.
  private forget(mark: string, from: number, to: number): void {
    const key = `${mark}${to}`;
    this.lonely.set(key, Math.min(this.lonely.get(key) ?? Infinity, from));
  }

  private code(at: number, to: number): Found | undefined {
    const open = this.runEnd(at);
    const mark = this.text.slice(at, open);
    let close = this.find(mark, open, to);
    while (close >= 0 && this.runEnd(close) !== close + mark.length) close = this.find(mark, this.runEnd(close), to);
    if (close < 0) {
      this.forget(mark, open, to);
      return this.unfinished(to) ? { nodes: open < to ? [{ kind: 'code', text: this.text.slice(open, to) }] : [], end: to } : undefined;
    }
    let text = this.text.slice(open, close).replaceAll('\n', ' ');
    if (/^ .*[^ ].* $/.test(text)) text = text.slice(1, -1);
    return { nodes: [{ kind: 'code', text }], end: close + mark.length };
  }

  private emphasis(at: number, from: number, to: number, depth: number): Found | undefined {
    const char = this.text[at]!;
    const run = Math.min(this.runEnd(at), to) - at;
    if (char === '~' && run !== 2) return undefined;
    const size = run >= 2 ? 2 : 1;
    const before = at > from ? this.text[at - 1]! : ' ';
    const after = this.text[at + run] ?? ' ';
    if (at + run === to && this.unfinished(to)) return { nodes: [], end: to }; // what it marks is still to come
    if (/\s/.test(after) || (char === '_' && wordChar.test(before))) return undefined;
    // Three marks are strong around emphasis: the outer pair is the strong one.
    const mark = char.repeat(size);
    for (let close = this.find(mark, at + run, to); close >= 0; close = this.find(mark, this.runEnd(close), to)) {
      const end = Math.min(this.runEnd(close), to);
      const length = end - close;
      const next = this.text[end] ?? ' ';
      if (/\s/.test(this.text[close - 1]!) || (char === '_' && wordChar.test(next))) continue;
      if (size === 1 && length === 2) continue; // belongs to strong inside
      if (size === 2 && length < 2) continue;
      const inner = Math.max(at + size, end - size);
      return {
        nodes: [{ kind: char === '~' ? 'del' : size === 2 ? 'strong' : 'em', children: this.run(at + size, inner, depth + 1) }],
        end,
      };
    }
    this.forget(mark, at + run, to);
    if (!this.unfinished(to)) return undefined;
    // The first half of its partner may be there already.
    const inner = to - (this.text[to - 1] === char && this.text[to - 2] !== char ? 1 : 0);
    return {
      nodes: [{ kind: char === '~' ? 'del' : size === 2 ? 'strong' : 'em', children: this.run(at + size, inner, depth + 1) }],
      end: to,
    };
  }

  // unfinished says whether a mark that ends nowhere before `to` may yet end behind it.
  private unfinished(to: number): boolean {
    return this.open && to === this.text.length;
  }

  private link(at: number, to: number, depth: number): Found | undefined {
    let level = 0;
    let close = at;
    const limit = Math.min(to, at + 1000); // a longer label is no label
    for (; close < limit; close++) {
      const char = this.text[close];
      if (char === '\\') close++;
      else if (char === '[') level++;
      else if (char === ']' && --level === 0) break;
    }
    if (close >= limit || this.text[close + 1] !== '(') return undefined;
    const match = /\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;
    match.lastIndex = close + 1;
    const target = match.exec(this.text.slice(0, Math.min(to, close + 4000)));
    if (!target) return undefined;
    const safe = safeUrl(target[1]!);
    const children = plainOf(this.run(at + 1, close, depth + 1));
    // A link that leads nowhere safe is its text.
    return { nodes: safe ? [{ kind: 'link', ...safe, children }] : children, end: close + 1 + target[0].length };
  }

  private bare(at: number, to: number): Found | undefined {
    bareLink.lastIndex = at;
    const match = bareLink.exec(this.text);
    if (!match) return undefined;
    let url = match[0].slice(0, to - at).replace(/[.,;:!?*_~]+$/, '');
    while (url.endsWith(')') && count(url, ')') > count(url, '(')) url = url.slice(0, -1);
    url = url.replace(/[.,;:!?\]]+$/, '');
    const safe = safeUrl(url);
    return safe && { nodes: [{ kind: 'link', ...safe, children: [{ kind: 'text', text: url }] }], end: at + url.length };
  }

  private angle(at: number, to: number): Found | undefined {
    angleLink.lastIndex = at;
    const match = angleLink.exec(this.text);
    if (!match || at + match[0].length > to) return undefined;
    const url = match[1]!;
    const safe = safeUrl(url);
    return safe && { nodes: [{ kind: 'link', ...safe, children: [{ kind: 'text', text: url }] }], end: at + match[0].length };
  }
}

function count(text: string, char: string): number {
  return text.split(char).length - 1;
}

// plainOf takes links out of a link's label.
function plainOf(children: Inline[]): Inline[] {
  return children.flatMap((c) => (c.kind === 'link' ? c.children : [c]));
}

/** Only these lead anywhere: no script, no file, nothing relative to us. */
export function safeUrl(href: string): { href: string; host: string } | undefined {
  if (!URL.canParse(href)) return undefined;
  const url = new URL(href);
  if (url.protocol === 'mailto:') return { href: url.href, host: '' };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  return { href: url.href, host: url.host };
}
