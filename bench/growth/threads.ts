/**
 * Calls a second by the threads of one service, also where there are many more threads than processors. One server,
 * whose service gets other threads before each turn: idle threads have a heartbeat, and would be measured with the
 * others.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender } from '../harness/contender.ts'
import { Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import type { Report } from '../harness/report.ts'
import { takeTurns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane, WORKERS } from '../harness/threadplane.ts'
import { loadInTurns, rate, type Sample } from '../harness/under-load.ts'
import { addCurve, sizesOf } from './curve.ts'

const SIZES = sizesOf([1, 2, 4, 8, 16, 32, 64])
const SERVICE = '/v1/services/adder'
/** Each round starts 63 threads, so there are few rounds, and their turns are longer. */
const MAX_ROUNDS = 3
const LONGER = 2
/** Before each turn: the threads are new. */
const WARM_UP_SECONDS = 1
const STARTED_WITHIN_MS = 60_000

interface Both {
  add: Sample
  hash: Sample
}

export async function byThreads(report: Report, settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const workers = `${WORKERS}grown`
    const options = threadplane({ path: `${SERVICE}/call/add`, data: folder, workers, prefix: pinned.servers })
    const server = await Contender.start(options)
    const load = new Load(pinned.load)
    try {
      const methods = ['add', 'hash'].map((name) => server.at({ name, path: `${SERVICE}/call/${name}` }))
      const measure = async (threads: number): Promise<Both> => {
        await setThreads(server, threads)
        const turn = { rounds: 1, seconds: settings.seconds * LONGER }
        const turns = await loadInTurns(methods, load, turn, WARM_UP_SECONDS)
        const of = (name: string) => turns.get(name)?.[0] as Sample
        return { add: of('add'), hash: of('hash') }
      }
      const contestants = Array.from(SIZES, ([name, threads]) => ({ name, measure: () => measure(threads) }))
      const turns = await takeTurns(contestants, Math.min(settings.rounds, MAX_ROUNDS), 0)
      const series = [
        { name: 'add two numbers', unit: 'calls/s', of: ({ add }: Both) => rate(add) },
        { name: 'hash a megabyte', unit: 'calls/s', of: ({ hash }: Both) => rate(hash) },
      ]
      const title = 'Calls a second, by threads of one service on two processors'
      addCurve(report, { file: 'threads', title, xTitle: 'threads', sizes: SIZES, series }, turns)
    } finally {
      load.close()
      await server.stop()
    }
  })
}

/** Changes the number of threads, and waits until so many run. */
async function setThreads({ port }: Contender, threads: number): Promise<void> {
  const url = `http://127.0.0.1:${port}${SERVICE}`
  const headers = { 'content-type': 'application/json' }
  const changed = await fetch(url, { method: 'PATCH', headers, body: JSON.stringify({ threads }) })
  if (!changed.ok) throw new Error(`${threads} threads: ${changed.status} ${await changed.text()}`)
  const until = performance.now() + STARTED_WITHIN_MS
  for (;;) {
    const status = (await (await fetch(url)).json()) as { threads: { state: string }[] }
    const running = status.threads.filter(({ state }) => state === 'running').length
    if (running === threads && status.threads.length === threads) return
    if (performance.now() > until) throw new Error(`of ${threads} threads ${running} run`)
    await sleep(100)
  }
}
