/** The start and the memory of a thread, and the time of a process from its launch until it is ready. */
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/contender.ts'
import { pins } from '../harness/machine.ts'
import { MeasuredProcess, type ProcessOptions } from '../harness/measured-process.ts'
import { Report } from '../harness/report.ts'
import { takeTurns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, WORKERS } from '../harness/threadplane.ts'
import { STARTS, type ThreadStartsOrder } from '../in-process/thread-starts.ts'

const RAW = 'raw Worker, same module and zod'
const BARE = 'fastify + ajv'
const HELD_THREADS = 6
/** Few are enough: memory varies little, and each round starts new processes. */
const MEMORY_ROUNDS = 3
const STARTS_A_TURN = 3
const POLL_MS = 2
const READY_WITHIN_MS = 60_000

export async function start(settings: Settings): Promise<void> {
  const report = new Report('start', settings)
  await threadStarts(report, settings)
  await threadMemory(report, settings)
  await timeToReady(report, settings)
  report.write()
}

async function threadStarts(report: Report, { rounds }: Settings): Promise<void> {
  const starters = new Map<string, MeasuredProcess>()
  try {
    for (const name of Object.keys(STARTS)) starters.set(name, await starter(name))
    const contestants = [...starters].map(([name, process]) => ({
      name,
      measure: async () => {
        let ms = 0
        for (let count = 0; count < STARTS_A_TURN; count += 1) {
          ms += ((await order(process, { kind: 'start' })) as { ms: number }).ms
        }
        return { ms: ms / STARTS_A_TURN }
      },
    }))
    const turns = await takeTurns(contestants, rounds)
    const of = ({ ms }: { ms: number }) => ms
    report.add('start of a thread', turns, [
      { title: 'ms', of },
      { title: '÷ raw', of, over: RAW },
    ])
  } finally {
    await Promise.all([...starters.values()].map((process) => process.stop()))
  }
}

async function threadMemory(report: Report, { rounds }: Settings): Promise<void> {
  const contestants = Object.keys(STARTS).map((name) => ({
    name,
    measure: async () => {
      const process = await starter(name)
      try {
        return (await order(process, { kind: 'hold', threads: HELD_THREADS })) as { bytesEach: number }
      } finally {
        await process.stop()
      }
    },
  }))
  // Each round has new processes: there is nothing to warm up.
  const turns = await takeTurns(contestants, Math.min(rounds, MEMORY_ROUNDS), 0)
  const of = ({ bytesEach }: { bytesEach: number }) => bytesEach / 2 ** 20
  report.add(`idle memory of a thread, over ${HELD_THREADS}`, turns, [
    { title: 'MiB', of },
    { title: '÷ raw', of, over: RAW },
  ])
}

async function starter(name: string): Promise<MeasuredProcess> {
  const process = new MeasuredProcess({
    program: new URL('../in-process/thread-starts.js', import.meta.url),
    args: [name],
    prefix: pins('both cores').servers,
    node: ['--expose-gc'],
    ipc: true,
  })
  await process.nextMessage()
  return process
}

async function order(process: MeasuredProcess, what: ThreadStartsOrder): Promise<unknown> {
  const answer = process.nextMessage()
  process.child.send(what)
  return answer
}

/** Measured from the launch of the process. Each contestant keeps its data folder over all rounds. */
async function timeToReady(report: Report, { rounds }: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const threadplane = (name: string, ...options: string[]) => ({
      name,
      program: new URL('../../src/main.js', import.meta.url),
      args: ['serve', WORKERS, ...options],
      environment: { THREADPLANE_DATA: join(folder, name) },
    })
    const all = [
      { name: BARE, program: new URL('../servers/inline-ajv.js', import.meta.url) },
      threadplane('threadplane, --no-supervise', '--no-supervise'),
      threadplane('threadplane'),
    ]
    const contestants = all.map(({ name, ...options }) => ({ name, measure: () => untilReady(options) }))
    const turns = await takeTurns(contestants, rounds)
    const of = ({ ms }: { ms: number }) => ms
    report.add('process start to /readyz', turns, [
      { title: 'ms', of },
      { title: '÷ bare fastify', of, over: BARE },
    ])
  })
}

async function untilReady(options: ProcessOptions): Promise<{ ms: number }> {
  const port = await freePort()
  const environment = { ...options.environment, PORT: String(port), THREADPLANE_PORT: String(port) }
  const process = new MeasuredProcess({ ...options, environment, prefix: pins('both cores').servers })
  try {
    while (!(await isReady(port))) {
      if (process.ended) throw new Error(`its process ended with code ${process.child.exitCode}`)
      if (performance.now() - process.startedAt > READY_WITHIN_MS)
        throw new Error(`it is not ready after ${READY_WITHIN_MS / 1_000} s`)
      await sleep(POLL_MS)
    }
    return { ms: performance.now() - process.startedAt }
  } finally {
    await process.stop()
  }
}

/** Without a pool of connections: each request opens a new one. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('error', () => resolve(false))
  })
}
