import { expect, test } from 'vitest';
import { buckets, parseMetrics, quantile, sum } from './metrics';

const text = `# HELP a_total x
# TYPE a_total counter
a_total{result="ok"} 10
a_total{result="a \\"b\\", c=\\\\"} 2 1700000000000
b_seconds_bucket{end="x",le="0.1"} 50
b_seconds_bucket{end="y",le="0.1"} 40
b_seconds_bucket{end="x",le="1"} 98
b_seconds_bucket{end="x",le="+Inf"} 100
g 1.5e+06
`;

test('the text format', () => {
  const metrics = parseMetrics(text);
  expect(sum(metrics, /^a_total$/)).toBe(12);
  expect(sum(metrics, /^a_total$/, (labels) => labels['result'] === 'ok')).toBe(10);
  expect(metrics.get('a_total')![1]!.labels['result']).toBe('a "b", c=\\');
  expect(sum(metrics, /^g$/)).toBe(1_500_000);
  expect(sum(metrics, /^none$/)).toBeUndefined();
  expect(buckets(metrics, /^b_seconds$/)).toEqual([[0.1, 90], [1, 98], [Infinity, 100]]);
});

test('a quantile is that of what came between two readings', () => {
  const before = [[0.1, 100], [1, 100], [Infinity, 100]] as const;
  const after = [[0.1, 150], [1, 200], [Infinity, 200]] as const;
  expect(quantile(0.5, before, after)).toBeCloseTo(0.1);
  expect(quantile(0.99, before, after)).toBeCloseTo(0.982);
  expect(quantile(0.99, after, after)).toBeUndefined();
  expect(quantile(0.99, [], [[0.1, 0], [Infinity, 5]])).toBe(0.1); // the last bound that is known
});
