import t from 'tap'
import { Histogram } from '../../src/telemetry/histogram.ts'
import { type Format, labels, MetricsText } from '../../src/telemetry/metrics-text.ts'

function written(format: Format): string {
  const text = new MetricsText(format)
  const histogram = new Histogram([0.5, 10])
  for (const seconds of [0.25, 1, 20]) histogram.observe(seconds)
  text.family('done_total', 'counter', 'What is done\nand \\ more')
  text.sample(labels({ service: 'a"b\\c\nd' }), 3)
  text.family('seconds', 'histogram', 'Time')
  text.histogram('', histogram)
  text.family('odd', 'gauge', 'Odd values')
  text.sample('', Number.NaN)
  return Buffer.concat(text.end()).toString()
}

const LINES = [
  'done_total{service="a\\"b\\\\c\\nd"} 3',
  '# HELP seconds Time',
  '# TYPE seconds histogram',
  'seconds_bucket{le="0.5"} 1',
  'seconds_bucket{le="10"} 2',
  'seconds_bucket{le="+Inf"} 3',
  'seconds_sum 21.25',
  'seconds_count 3',
  '# HELP odd Odd values',
  '# TYPE odd gauge',
  'odd NaN',
]

t.test('the text of Prometheus: labels and help texts are escaped, buckets add up', async (t) => {
  const head = ['# HELP done_total What is done\\nand \\\\ more', '# TYPE done_total counter']
  t.strictSame(written('prometheus').split('\n'), [...head, ...LINES, ''])
})

t.test('the text of OpenMetrics: the family of a counter has no suffix, and the text has an end', async (t) => {
  const head = ['# HELP done What is done\\nand \\\\ more', '# TYPE done counter']
  t.strictSame(written('openMetrics').split('\n'), [...head, ...LINES, '# EOF', ''])
})

t.test('long texts are written in slices, with turns of the event loop between them', async (t) => {
  const text = new MetricsText('prometheus')
  let turns = 0
  const turn = () => {
    turns += 1
    timer = setImmediate(turn)
  }
  let timer = setImmediate(turn)
  text.family('many', 'gauge', 'Many')
  const until = performance.now() + 50
  let count = 0
  for (; performance.now() < until; count += 1) {
    text.sample(labels({ count }), count)
    await text.pause()
  }
  clearImmediate(timer)
  t.ok(turns > 3)
  t.equal(Buffer.concat(text.end()).toString().split('\n').length, count + 3)
})
