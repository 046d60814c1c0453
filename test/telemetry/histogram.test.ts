import t from 'tap'
import { Histogram } from '../../src/telemetry/histogram.ts'

const counts = (histogram: Histogram) => [0, 1, 2].map((bucket) => histogram.countOf(bucket))

t.test('a value is counted in the first bucket whose bound is not below it', async (t) => {
  const histogram = new Histogram([1, 10])
  for (const value of [0, 1, 1.5, 10, 11, Number.POSITIVE_INFINITY]) histogram.observe(value)
  t.strictSame(counts(histogram), [2, 2, 2])
  t.equal(histogram.sum, Number.POSITIVE_INFINITY)
})

t.test('histograms add up, and a snapshot is independent of its histogram', async (t) => {
  const [one, other, sent] = [new Histogram([1, 10]), new Histogram([1, 10]), new Histogram([1, 10])]
  one.observe(0.5)
  other.observe(20)
  one.add(other)
  sent.restore(one.snapshot())
  one.observe(5)
  t.strictSame(counts(sent), [1, 0, 1])
  t.equal(sent.sum, 20.5)
})

t.test('a quantile lies between the bounds of its bucket', async (t) => {
  const histogram = new Histogram([1, 10, 100])
  t.equal(histogram.quantile(0.5), undefined, 'of nothing')
  for (const value of [5, 5, 5, 5]) histogram.observe(value)
  t.equal(histogram.quantile(0.5), 5.5)
  t.equal(histogram.quantile(1), 10)
  const later = new Histogram([1, 10, 100])
  later.add(histogram)
  for (const value of [0.1, 1_000]) later.observe(value)
  const recent = later.since(histogram)
  t.equal(recent.quantile(0.5), 1)
  t.equal(recent.quantile(0.99), 100, 'beyond the last bound')
  t.equal(later.countOf(1), 4, 'it does not change')
})
