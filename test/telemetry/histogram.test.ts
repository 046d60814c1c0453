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
