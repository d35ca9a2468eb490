import { describe, expect, test } from 'vitest';
import { batch, computed, effect, signal, untracked } from './signal';

describe('signal, computed, effect', () => {
  test('an effect runs with each change of what it has read, and of nothing else', () => {
    const [a, b, other] = [signal(1), signal(10), signal(0)];
    const seen: number[] = [];
    effect(() => void seen.push(a.value === 1 ? b.value : -1));
    b.value = 11;
    other.value = 1;
    b.value = 11;
    a.value = 2;
    b.value = 12; // is not read any more
    a.value = 1;
    expect(seen).toEqual([10, 11, -1, 12]);
  });

  test('a computed value is computed when it is read, once per change', () => {
    let runs = 0;
    const a = signal(1);
    const double = computed(() => (runs++, a.value * 2));
    expect(runs).toBe(0);
    expect([double.value, double.value, double.peek()]).toEqual([2, 2, 2]);
    expect(runs).toBe(1);
    a.value = 3;
    expect(runs).toBe(1);
    expect([double.value, double.value]).toEqual([6, 6]);
    expect(runs).toBe(2);
  });

  test('whoever depends on a computed value is told only when it has become another', () => {
    const n = signal(1);
    const odd = computed(() => n.value % 2 === 1);
    const text = computed(() => (odd.value ? 'odd' : 'even'));
    const seen: string[] = [];
    effect(() => void seen.push(text.value));
    n.value = 3;
    n.value = 4;
    n.value = 6;
    n.value = 7;
    expect(seen).toEqual(['odd', 'even', 'odd']);
  });

  test('a diamond never shows a mixture', () => {
    const n = signal(1);
    const [left, right] = [computed(() => n.value + 1), computed(() => n.value * 10)];
    const seen: string[] = [];
    effect(() => void seen.push(`${left.value} ${right.value}`));
    n.value = 2;
    n.value = 3;
    expect(seen).toEqual(['2 10', '3 20', '4 30']);
  });

  test('a batch tells once, at its end, also when it is nested or throws', () => {
    const [a, b] = [signal(1), signal(1)];
    const seen: number[] = [];
    effect(() => void seen.push(a.value + b.value));
    batch(() => {
      a.value = 2;
      batch(() => (b.value = 2));
      expect(seen).toEqual([2]);
    });
    expect(() =>
      batch(() => {
        a.value = 3;
        throw new Error('no');
      }),
    ).toThrow('no');
    batch(() => {
      a.value = 9;
      a.value = 3; // as before
    });
    expect(seen.slice(0, 3)).toEqual([2, 4, 5]);
    expect(seen.at(-1)).toBe(5);
  });

  test('an effect may change other values; what it reads untracked or peeks does not count', () => {
    const [a, b, c] = [signal(1), signal(1), signal(0)];
    let runs = 0;
    effect(() => {
      runs++;
      const sum = a.value + untracked(() => b.value) + b.peek();
      c.value = sum;
    });
    b.value = 5;
    expect([runs, c.value]).toEqual([1, 3]);
    a.value = 2;
    expect([runs, c.value]).toEqual([2, 12]);
  });

  test('a value that fails tells whoever reads it, and comes back', () => {
    const n = signal(0);
    const inverse = computed(() => {
      if (n.value === 0) throw new Error('zero');
      return 1 / n.value;
    });
    expect(() => inverse.value).toThrow('zero');
    n.value = 2;
    expect(inverse.value).toBe(0.5);
  });

  test('random graphs agree with computing everything anew', () => {
    let seed = 7;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
    for (let round = 0; round < 60; round++) {
      const inputs = Array.from({ length: 4 }, (_, i) => signal(i));
      const nodes: { value: number }[] = [...inputs];
      const plain: (() => number)[] = inputs.map((s) => () => s.peek());
      for (let i = 0; i < 8; i++) {
        const [x, y, mod] = [random(nodes.length), random(nodes.length), 2 + random(5)];
        const [a, b, pa, pb] = [nodes[x]!, nodes[y]!, plain[x]!, plain[y]!];
        nodes.push(computed(() => (a.value % 2 === 0 ? a.value : a.value + b.value) % mod));
        plain.push(() => (pa() % 2 === 0 ? pa() : pa() + pb()) % mod);
      }
      const shown = nodes.map((): number => NaN);
      nodes.forEach((node, i) => random(2) && effect(() => void (shown[i] = node.value)));
      for (let step = 0; step < 30; step++) {
        if (random(3) === 0) batch(() => inputs.forEach((s) => (s.value = random(9))));
        else inputs[random(4)]!.value = random(9);
        nodes.forEach((node, i) => {
          if (!Number.isNaN(shown[i])) expect(shown[i]).toBe(plain[i]!());
          if (random(4) === 0) expect(node.value).toBe(plain[i]!());
        });
      }
    }
  });
});
