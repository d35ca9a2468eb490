import { describe, expect, test } from 'vitest';
import { inline, parse, safeUrl, type Block, type Inline } from './markdown';

/** A compact form of the tree: tags in angle brackets, text in quotes. */
function show(nodes: (Block | Inline)[]): string {
  return nodes
    .map((n): string => {
      switch (n.kind) {
        case 'text':
          return `'${n.text}'`;
        case 'code':
          return `<code${'lang' in n && n.lang ? ` ${n.lang}` : ''} '${n.text}'>`;
        case 'break':
        case 'rule':
          return `<${n.kind}>`;
        case 'link':
          return `<a ${n.href} ${show(n.children)}>`;
        case 'heading':
          return `<h${n.level} ${show(n.children)}>`;
        case 'list':
          return `<${n.ordered ? `ol ${n.start}` : 'ul'} ${n.items
            .map((i) => `<li${i.checked === undefined ? '' : i.checked ? ' x' : ' o'} ${show(i.children)}>`)
            .join('')}>`;
        case 'table':
          return `<table ${[n.head, ...n.rows].map((row) => row.map(show).join('|')).join('/')} ${n.align.map((a) => a ?? '-')}>`;
        default:
          return `<${n.kind === 'paragraph' ? 'p' : n.kind} ${show(n.children)}>`;
      }
    })
    .join('');
}

describe('inline', () => {
  test.each([
    ['plain', "'plain'"],
    ['**bold** and *it*', "<strong 'bold'>' and '<em 'it'>"],
    ['__bold__ _it_', "<strong 'bold'>' '<em 'it'>"],
    ['***both***', "<strong <em 'both'>>"],
    ['**a *b* c**', "<strong 'a '<em 'b'>' c'>"],
    ['snake_case_name', "'snake_case_name'"],
    ['2 * 3 * 4', "'2 * 3 * 4'"],
    ['**open', "'**open'"],
    ['~~gone~~ ~5', "<del 'gone'>' ~5'"],
    ['`a*b*` ``x`y``', "<code 'a*b*'>' '<code 'x`y'>"],
    ['\\*not\\*', "'*not*'"],
    ['one\ntwo', "'one'<break>'two'"],
    ['[a](https://x.org/b "t")', "<a https://x.org/b 'a'>"],
    ['[a](https://x.org/b_(c))', "<a https://x.org/b_(c) 'a'>"],
    ['[**a**](https://x.org)', "<a https://x.org/ <strong 'a'>>"],
    ['![cat](https://x.org/cat.png)', "<a https://x.org/cat.png 'cat'>"],
    ['see https://x.org/a.', "'see '<a https://x.org/a 'https://x.org/a'>'.'"],
    ['(https://x.org/a)', "'('<a https://x.org/a 'https://x.org/a'>')'"],
    ['<https://x.org>', "<a https://x.org/ 'https://x.org'>"],
    ['[x](javascript:alert(1))', "'x'"],
    ['[x](data:text/html,hi)', "'x'"],
    ['[x](/admin)', "'x'"],
    ['<img src=x onerror=alert(1)>', "'<img src=x onerror=alert(1)>'"],
    ['<script>alert(1)</script>', "'<script>alert(1)</script>'"],
    ['[a *b](https://x.org) c*', "<a https://x.org/ 'a *b'>' c*'"],
  ])('%s', (text, want) => expect(show(inline(text))).toBe(want));
});

describe('an open text', () => {
  const full = 'Say **bold words** and *it* with `code` here:\n\n- **one**\n- two **b**';

  test.each([
    ['a **bo', "'a '<strong 'bo'>"],
    ['a **', "'a '"],
    ['a **bo*', "'a '<strong 'bo'>"],
    ['a *it', "'a '<em 'it'>"],
    ['a `co', "'a '<code 'co'>"],
    ['a `', "'a '"],
    ['2 * 3', "'2 * 3'"],
    ['**a** b', "<strong 'a'>' b'"],
  ])('%s', (text, want) => expect(show(inline(text, true))).toBe(want));

  test('shows no mark at any moment', () => {
    for (let n = 0; n <= full.length; n++) expect(show(parse(full.slice(0, n), true)), full.slice(0, n)).not.toMatch(/[*`]/);
  });

  test('leaves a mark in the middle alone', () => expect(show(parse('**a\n\nb', true))).toBe("<p '**a'><p 'b'>"));
});

describe('parse', () => {
  test.each([
    ['a\n\nb', "<p 'a'><p 'b'>"],
    ['# One\n### Two #\n## C#', "<h1 'One'><h3 'Two'><h2 'C#'>"],
    ['text\n---\n', "<p 'text'><rule>"],
    ['- a\n- b\n  - c\n- d', "<ul <li <p 'a'>><li <p 'b'><ul <li <p 'c'>>>><li <p 'd'>>>"],
    ['3. a\n4. b', "<ol 3 <li <p 'a'>><li <p 'b'>>>"],
    ['1. a\n\n   more\n2. b', "<ol 1 <li <p 'a'><p 'more'>><li <p 'b'>>>"],
    ['- [ ] a\n- [x] b', "<ul <li o <p 'a'>><li x <p 'b'>>>"],
    ['in\n1984. it was', "<p 'in'<break>'1984. it was'>"],
    ['Sure:\n- a', "<p 'Sure:'><ul <li <p 'a'>>>"],
    ['```go\na := 1\n\n*b*\n```\nafter', "<code go 'a := 1\n\n*b*'><p 'after'>"],
    ['```\nstill streaming', "<code 'still streaming'>"],
    ['> a\n> > b', "<quote <p 'a'><quote <p 'b'>>>"],
    ['| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 |', "<table 'a'|'b'/'1'|'2'/'3'| -,right>"],
    ['a | b is not a table', "<p 'a | b is not a table'>"],
    ['a\r\nb', "<p 'a'<break>'b'>"],
    ['', ''],
  ])('%j', (text, want) => expect(show(parse(text))).toBe(want));

  test.each(['*', '_', '**', '`', '[', '[a](', '<', '> ', '- ', '![', '~~', '*a ', '_a', '`a``', '((', 'https://(', '|', '1. ', '\\', '  - a\n', '**a* '])(
    '32,000 characters of %j take no time',
    (piece) => {
      const text = piece.repeat(32_000 / piece.length);
      const begin = performance.now();
      parse(text);
      expect(performance.now() - begin).toBeLessThan(1500);
    },
  );

  test.each([
    ['# ' + ' '.repeat(32_000) + 'x'],
    ['#' + ' #'.repeat(16_000) + 'x'],
    ['```' + 'a'.repeat(32_000) + '`'],
    ['- '.repeat(16_000) + 'x'],
    ['|' + '-'.repeat(32_000) + 'x\n|' + '-'.repeat(32_000) + 'x'],
    ['`' + ' '.repeat(32_000) + '`'],
    ['a' + '.'.repeat(32_000) + 'https://x' + '.'.repeat(32_000) + 'b'],
    ['[' + 'a'.repeat(900) + '](' + 'b'.repeat(31_000)],
    [('[a](' + 'b'.repeat(3000)).repeat(10)],
    ['[a](x' + ' '.repeat(32_000)],
  ])('one long line takes no time (%#)', (text) => {
    const begin = performance.now();
    parse(text);
    expect(performance.now() - begin).toBeLessThan(1500);
  });

  test('depth is bounded', () => {
    expect(() => parse('> '.repeat(5000) + 'x')).not.toThrow();
    expect(() => parse(Array.from({ length: 500 }, (_, i) => ' '.repeat(i * 2) + '- x').join('\n'))).not.toThrow();
    expect(() => parse('*a **b '.repeat(2000) + ' b** a*'.repeat(2000))).not.toThrow();
  });
});

test('safeUrl lets only the web and mail through', () => {
  expect(safeUrl('https://x.org/a')).toEqual({ href: 'https://x.org/a', host: 'x.org' });
  expect(safeUrl('mailto:a@x.org')).toEqual({ href: 'mailto:a@x.org', host: '' });
  for (const bad of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:x', 'vbscript:x', 'data:text/html,x', 'file:///etc', '//x.org', '/a', 'a', '']) {
    expect(safeUrl(bad), bad).toBeUndefined();
  }
});
