/** Round trips to a thread within one process, without HTTP: one at a time, as many as a busy server has, and more. */
import { CALLERS } from '../in-process/callers.ts'
import type { RoundTrips, RoundTripsOrder } from '../in-process/round-trips.ts'
import { pins } from '../harness/machine.ts'
import { MeasuredProcess } from '../harness/measured-process.ts'
import { installPeers, missing } from '../harness/peers.ts'
import { Report, type Skipped } from '../harness/report.ts'
import { type Column, takeTurns } from '../harness/rounds.ts'
import { type Settings, wanted } from '../harness/settings.ts'

const IN_FLIGHT = [1, 64, 1_000]
/** Share of the duration of a turn over HTTP: there is no connection to warm up. */
const SHARE_OF_TURN = 0.4
const RAW = 'raw postMessage'

type Sample = RoundTrips & { cpuMs: number }

const rate = ({ trips, seconds }: Sample) => trips / seconds

function columnsFor(inFlight: number): Column<Sample>[] {
  const rates: Column<Sample>[] = [
    { title: 'round trips/s', of: rate },
    { title: '÷ raw', of: rate, over: RAW },
    { title: 'threadplane ÷ it', of: rate, under: 'threadplane' },
    { title: 'CPU µs', of: ({ cpuMs, trips }) => (cpuMs * 1_000) / trips },
  ]
  if (inFlight > 1) return rates
  return [
    ...rates,
    { title: 'median µs', of: ({ medianUs }) => medianUs },
    { title: 'median ÷ raw', of: ({ medianUs }) => medianUs, over: RAW },
    { title: 'p99 µs', of: ({ p99Us }) => p99Us },
  ]
}

export async function thread(settings: Settings): Promise<void> {
  installPeers()
  const packages = [...new Set(Object.values(CALLERS).flatMap(({ peer }) => peer ?? []))]
  const report = new Report('thread', settings, packages)
  const callers = new Map<string, MeasuredProcess>()
  const skipped: Skipped[] = []
  try {
    const all = Object.entries(CALLERS).map(([name, { peer }]) => ({ name, peer }))
    for (const { name, peer } of wanted(settings, [RAW, 'threadplane'], all)) {
      const why = peer === undefined ? undefined : missing([peer])
      if (why === undefined) callers.set(name, await start(name))
      else skipped.push({ name, why })
    }
    for (const [before, inFlight] of IN_FLIGHT.entries()) {
      const order = { inFlight, ms: settings.seconds * 1_000 * SHARE_OF_TURN }
      const contestants = [...callers].map(([name, caller]) => ({ name, measure: () => measure(caller, order) }))
      const turns = await takeTurns(contestants, settings.rounds, before === 0 ? undefined : 1)
      report.add(`round trips in one process, ${inFlight} in flight`, turns, columnsFor(inFlight), skipped)
    }
    report.write()
  } finally {
    await Promise.all([...callers.values()].map((caller) => caller.stop()))
  }
}

async function start(name: string): Promise<MeasuredProcess> {
  const program = new URL('../in-process/round-trips.js', import.meta.url)
  const caller = new MeasuredProcess({ program, args: [name], prefix: pins('both cores').servers, ipc: true })
  await caller.nextMessage()
  return caller
}

async function measure(caller: MeasuredProcess, order: RoundTripsOrder): Promise<Sample> {
  const before = caller.cpuMs
  const answer = caller.nextMessage()
  caller.child.send(order)
  const measured = (await answer) as RoundTrips
  return { ...measured, cpuMs: caller.cpuMs - before }
}
