/** Calls a second, and their p99, by the number of connections. Each connection has one call under way. */
import { Contender } from '../harness/contender.ts'
import { Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import type { Report } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { loadInTurns, rate, type Sample } from '../harness/under-load.ts'
import { addCurve, sizesOf } from './curve.ts'

const PATH = '/v1/services/adder/call/add'
const SIZES = sizesOf([1, 4, 16, 64, 256, 1_000])
/** So many times the usual turn: with a thousand connections, a short turn would be their opening. */
const LONGER = 2

export async function byConnections(report: Report, settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const server = await Contender.start(threadplane({ path: PATH, data: folder, prefix: pinned.servers }))
    const loads = new Map(
      Array.from(SIZES, ([name, connections]) => [
        server.at({ name, path: PATH }),
        new Load(pinned.load, { connections }),
      ]),
    )
    try {
      const { rounds, seconds } = settings
      const turns = await loadInTurns([...loads.keys()], loads, { rounds, seconds: seconds * LONGER }, 2)
      const series = [
        { name: 'calls', unit: '1/s', of: rate },
        { name: 'p99 of a call', unit: 'ms', of: ({ p99Ms }: Sample) => p99Ms },
      ]
      const title = 'Calls a second and their latency, by connections'
      addCurve(report, { file: 'connections', title, xTitle: 'connections', sizes: SIZES, series }, turns)
    } finally {
      for (const load of loads.values()) load.close()
      await server.stop()
    }
  })
}
