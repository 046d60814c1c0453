/** The ring of the last hour. Services are what the recorder reads of them. */
import t, { type Test } from 'tap'
import { SERIES_COLUMNS, SeriesRecorder } from '../../src/registry/series.ts'
import { Meters } from '../../src/telemetry/meters.ts'
import type { SupervisedService } from '../../src/services/supervised-service.ts'

const STEP_MS = 10_000
const HOUR_MS = 3_600_000

function fake(name: string) {
  return {
    name,
    counter: { counts: { calls: 0, casts: 0, succeeded: 0, failed: 0, retried: 0 } },
    meter: new Meters().service(),
    waiting: 0,
    running: 0,
    threads: [{ heapUsedBytes: 1_000, eventLoopUtilization: 0.5 }],
  }
}

function recorder(t: Test, services: ReturnType<typeof fake>[]): SeriesRecorder {
  const series = new SeriesRecorder(() => services as unknown as SupervisedService[])
  t.teardown(() => series.close())
  return series
}

const column = (name: (typeof SERIES_COLUMNS)[number]) => 1 + SERIES_COLUMNS.indexOf(name)

t.test('a step has what was counted in it, and the rest as it is at its end', async (t) => {
  const one = fake('one')
  const series = recorder(t, [one])
  one.counter.counts.calls = 5
  one.waiting = 3
  series.record(STEP_MS)
  one.counter.counts.calls = 7
  one.counter.counts.casts = 1
  one.waiting = 0
  series.record(2 * STEP_MS)
  one.counter.counts.calls = 4
  series.record(3 * STEP_MS)
  const { points, stepMs } = series.read(HOUR_MS, 3 * STEP_MS, (name) => name === 'one')
  t.equal(stepMs, STEP_MS)
  t.strictSame(
    points.map((point) => [point[0], point[column('calls')], point[column('jobs')], point[column('queue')]]),
    [
      [STEP_MS, 5, 0, 3],
      [2 * STEP_MS, 2, 1, 0],
      [3 * STEP_MS, 4, 0, 0],
    ],
    'a service that was registered again counts from 0',
  )
  t.equal(series.read(STEP_MS, 3 * STEP_MS, (name) => name === 'one').points.length, 1)
  t.strictSame(series.read(HOUR_MS, 3 * STEP_MS, (name) => name === 'none').points, [])
})

t.test('the ring keeps an hour; all services together are a sum; a deleted service is forgotten', async (t) => {
  const services = [fake('one'), fake('two')]
  const series = recorder(t, services)
  for (let step = 1; step <= 400; step += 1) {
    for (const { counter } of services) counter.counts.calls += 1
    series.record(step * STEP_MS)
  }
  const all = series.read(HOUR_MS, 400 * STEP_MS).points
  t.equal(all.length, 360)
  t.equal(all[0]?.[0], 41 * STEP_MS)
  t.equal(all.at(-1)?.[column('calls')], 2)
  t.equal(all.at(-1)?.[column('heapBytes')], 2_000)
  t.equal(all.at(-1)?.[column('elu')], 0.5)
  services.pop()
  series.record(401 * STEP_MS)
  t.equal(series.read(HOUR_MS, 401 * STEP_MS, (name) => name === 'two').points.length, 0)
})

t.test('times are those of the step, null without any; of all services they are the greatest', async (t) => {
  const services = [fake('one'), fake('two')]
  const [one, two] = services as [ReturnType<typeof fake>, ReturnType<typeof fake>]
  const series = recorder(t, services)
  const ran = ({ meter }: ReturnType<typeof fake>, ranMs: number) => {
    const queuedAt = performance.now() - 10_000
    meter.call('any', undefined, { kind: 'call', queuedAt, ranMs, begunAt: undefined })
  }
  for (let call = 0; call < 10; call += 1) ran(one, 40)
  ran(two, 4_000)
  series.record(STEP_MS)
  ran(one, 1)
  one.meter.keep(() => false)
  series.record(2 * STEP_MS)
  one.meter = new Meters().service()
  ran(one, 40)
  series.record(3 * STEP_MS)
  series.record(4 * STEP_MS)
  const times = (service?: string) =>
    series
      .read(HOUR_MS, 4 * STEP_MS, (name) => service === undefined || name === service)
      .points.map((point) => [point[column('runP50Ms')], point[column('runP95Ms')]])
  t.strictSame(times('one'), [
    [37.5, 48.75],
    [0.5, 0.95],
    [37.5, 48.75],
    [null, null],
  ])
  t.strictSame(times('two').slice(0, 2), [
    [3_750, 4_875],
    [null, null],
  ])
  t.strictSame(times().slice(0, 2), [
    [3_750, 4_875],
    [0.5, 0.95],
  ])
})
