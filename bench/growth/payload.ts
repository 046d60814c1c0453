/** Calls a second, and megabytes a second, by the size of their payload, a tenth of which comes back. */
import { Contender } from '../harness/contender.ts'
import { Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import type { Report } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { loadInTurns, rate, type Sample } from '../harness/under-load.ts'
import { jsonOf } from '../parts/size.ts'
import { addCurve } from './curve.ts'

const PATH = '/v1/services/cut/call/tenth'
/** Bytes of the body. */
const SIZES = new Map([
  ['100 B', 100],
  ['1 kB', 1_000],
  ['10 kB', 10_000],
  ['100 kB', 100_000],
  ['1 MB', 1_000_000],
  ['10 MB', 10_000_000],
])
/** With more of 10 MB each, the queue of a service, 64 MiB, would be full. */
const CONNECTIONS = 4
/** So many times the usual turn: in a short one, few calls of 10 MB would end. */
const LONGER = 4

export async function byPayload(report: Report, settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const [small] = SIZES.values()
    const server = await Contender.start(
      threadplane({
        path: PATH,
        question: () => jsonOf(small as number),
        data: folder,
        workers: `${WORKERS}sized`,
        prefix: pinned.servers,
      }),
    )
    const loads = new Map(
      Array.from(SIZES, ([name, bytes]) => {
        const asked = jsonOf(bytes)
        const load = new Load(pinned.load, { body: asked.body, connections: CONNECTIONS })
        return [server.at({ name, path: PATH, question: () => asked }), load]
      }),
    )
    try {
      const { rounds, seconds } = settings
      const turns = await loadInTurns([...loads.keys()], loads, { rounds, seconds: seconds * LONGER }, 2)
      const sized = new Map(
        Array.from(turns, ([name, samples]) => {
          const bytes = SIZES.get(name) as number
          return [name, samples.map((sample) => sample && { ...sample, bytes })]
        }),
      )
      const series = [
        { name: 'calls', unit: '1/s', of: rate },
        {
          name: 'megabytes',
          unit: 'MB/s',
          of: (sample: Sample & { bytes: number }) => (rate(sample) * sample.bytes) / 1e6,
        },
      ]
      const title = `Calls and megabytes a second, by payload, ${CONNECTIONS} connections`
      addCurve(report, { file: 'payload', title, xTitle: 'JSON of a call', sizes: SIZES, series }, sized)
    } finally {
      for (const load of loads.values()) load.close()
      await server.stop()
    }
  })
}
