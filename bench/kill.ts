/**
 * Kills the server by `kill -9` at random moments while clients cast. Every acknowledged job must be there afterwards,
 * with exactly one outcome, and must have run no more often than its attempts say (P2, P3).
 *
 *     node dist/bench/kill.js [rounds] [--copying]
 *
 * With `--copying` a service copies the data folder again and again meanwhile, in a thread of the server.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Deferred } from '../src/async/deferred.ts'
import { type JobView, keptJobs, RunsFile } from './harness/kept-jobs.ts'
import { post } from './harness/post.ts'
import { launch, type Plane } from './plane.ts'

const CLIENTS = 50
/** Least and greatest time from the first 202 of a round to the kill. */
const LEAST_MS = 50
const MOST_MS = 500

export interface KillReport {
  rounds: number
  acknowledged: number
  /** Acknowledged, and missing afterwards. */
  lost: number
  /** Jobs that have not succeeded after the backlog was drained. */
  unfinished: number
  /** Jobs that ran more often than their `attempts` say. */
  ranTooOften: number
  /** Jobs that ran more than once. */
  ranAgain: number
  /** Attempts that were under way, according to the journal, at a kill. */
  openAttempts: number
  medianReadyMs: number
  slowestReadyMs: number
}

async function cast(agent: Agent, url: string, file: string, acknowledged: Set<string>): Promise<void> {
  // One method in ten takes 20 ms, so that at a kill some attempts are under way and some jobs wait.
  const payload = { file, ms: Math.random() < 0.1 ? 20 : 0 }
  const { status, body } = await post(agent, `${url}/v1/services/tally/cast/run?maxAttempts=100`, payload)
  if (status === 202) acknowledged.add((JSON.parse(body) as { id: string }).id)
}

export async function killRounds(rounds: number, copying = false): Promise<KillReport> {
  const data = await mkdtemp(join(tmpdir(), 'threadplane-kill-'))
  const file = join(data, 'runs')
  const acknowledged = new Set<string>()
  const ready: number[] = []
  try {
    for (let round = 0; round < rounds; round += 1) {
      const plane = await launch(data)
      ready.push(Math.round(plane.readyMs))
      let killed = false
      const agent = new Agent({ keepAlive: true })
      const before = acknowledged.size
      const casting = new Deferred<void>()
      const clients = Array.from({ length: CLIENTS }, async () => {
        while (!killed) {
          await cast(agent, plane.url, file, acknowledged).catch(() => {})
          if (acknowledged.size > before) casting.resolve()
        }
      })
      if (copying) clients.push(copyAgain(plane, data, () => killed))
      await casting.promise
      await sleep(LEAST_MS + Math.random() * (MOST_MS - LEAST_MS))
      killed = true
      await plane.kill()
      await Promise.all(clients)
      agent.destroy()
    }
    ready.sort((a, b) => a - b)
    const [medianReadyMs = 0, slowestReadyMs = 0] = [ready[Math.floor(rounds / 2)], ready.at(-1)]
    return { rounds, ...(await inspect(data, file, acknowledged)), medianReadyMs, slowestReadyMs }
  } finally {
    await rm(data, { recursive: true })
  }
}

/** As a backup does. A file that vanishes meanwhile is none of its business. */
async function copyAgain(plane: Plane, data: string, isOver: () => boolean): Promise<void> {
  const payload = JSON.stringify({ from: data, to: `${data}-copy` })
  while (!isOver()) await plane.send('/v1/services/copier/call/copy', payload).catch(() => {})
  await rm(`${data}-copy`, { recursive: true, force: true })
}

async function inspect(data: string, file: string, acknowledged: Set<string>) {
  const plane = await launch(data)
  try {
    const jobs = await keptJobs(plane.url)
    const runs = new RunsFile(file).read()
    const all = [...jobs.values()]
    const open = (job: JobView) => job.history.filter(({ error }) => error?.reason === 'SERVER_ENDED').length
    return {
      acknowledged: acknowledged.size,
      lost: [...acknowledged].filter((id) => !jobs.has(id)).length,
      unfinished: all.filter(({ state }) => state !== 'succeeded').length,
      ranTooOften: all.filter(({ id, attempts }) => (runs.get(id)?.length ?? 0) > attempts).length,
      ranAgain: [...runs.values()].filter(({ length }) => length > 1).length,
      openAttempts: all.reduce((sum, job) => sum + open(job), 0),
    }
  } finally {
    await plane.stop()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { copying: { type: 'boolean' } } })
  const report = await killRounds(Number(positionals[0] ?? 200), values.copying)
  console.log(report)
  const { lost, unfinished, ranTooOften, ranAgain, openAttempts, slowestReadyMs } = report
  const passed = lost + unfinished + ranTooOften === 0 && ranAgain <= openAttempts && slowestReadyMs <= 2_000
  console.log(passed ? 'passed' : 'FAILED')
  process.exitCode = passed ? 0 : 1
}
