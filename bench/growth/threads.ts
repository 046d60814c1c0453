/**
 * Calls a second by the threads of one service, also where there are many more threads than processors. All services
 * are in one server; the threads that get no calls sleep.
 */
import { Contender } from '../harness/contender.ts'
import { Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import type { Report } from '../harness/report.ts'
import type { Turns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { loadInTurns, rate, type Sample } from '../harness/under-load.ts'
import { addCurve, sizesOf } from './curve.ts'

const SIZES = sizesOf([1, 2, 4, 8, 16, 32, 64])
const METHODS = ['add', 'hash'] as const
const WARM_UP_SECONDS = 1.5

/** The samples of one round with so many threads. */
type Both = Record<(typeof METHODS)[number], Sample>

export async function byThreads(report: Report, settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const { servers, load: prefix } = pins('both cores')
    const path = '/v1/services/adder/call/add'
    const server = await Contender.start(
      threadplane({ path, data: folder, workers: `${WORKERS}grown`, prefix: servers }),
    )
    const load = new Load(prefix)
    try {
      for (const threads of SIZES.values()) await register(server, threads)
      const contenders = METHODS.flatMap((method) =>
        Array.from(SIZES.values(), (threads) =>
          server.at({ name: nameOf(method, threads), path: `/v1/services/${serviceOf(threads)}/call/${method}` }),
        ),
      )
      const turns = await loadInTurns(contenders, load, settings, WARM_UP_SECONDS)
      const series = [
        { name: 'add two numbers', unit: 'calls/s', of: ({ add }: Both) => rate(add) },
        { name: 'hash a megabyte', unit: 'calls/s', of: ({ hash }: Both) => rate(hash) },
      ]
      const title = 'Calls a second, by threads of one service on two processors'
      addCurve(report, { file: 'threads', title, xTitle: 'threads', sizes: SIZES, series }, together(turns))
    } finally {
      load.close()
      await server.stop()
    }
  })
}

async function register({ port }: Contender, threads: number): Promise<void> {
  const name = serviceOf(threads)
  const response = await fetch(`http://127.0.0.1:${port}/v1/services/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ module: 'adder.js', threads }),
  })
  const { state, detail } = (await response.json()) as { state?: string; detail?: string }
  if (state !== 'running') throw new Error(`${name} does not start: ${state ?? detail}`)
}

function serviceOf(threads: number): string {
  return `adder-${threads}`
}

function nameOf(method: string, threads: number): string {
  return `${method} in ${threads}`
}

/** The samples of both methods in one, by the number of threads. */
function together(turns: Turns<Sample>): Turns<Both> {
  return new Map(
    Array.from(SIZES, ([size, threads]) => {
      const hashes = turns.get(nameOf('hash', threads)) ?? []
      const adds = turns.get(nameOf('add', threads)) ?? []
      const both = adds.map((add, round) => {
        const hash = hashes[round]
        return add && hash && { add, hash }
      })
      return [size, both]
    }),
  )
}
