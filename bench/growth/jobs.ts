/**
 * Casts accepted a second, and the times of the lists, by the jobs that a server keeps. One server for each number of
 * jobs, all open at the same time. The lists are measured first, as each cast is one more job.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender } from '../harness/contender.ts'
import { Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import type { Report } from '../harness/report.ts'
import { median, takeTurns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { loadInTurns, rate, stopAll } from '../harness/under-load.ts'
import { accepting, pause } from '../parts/cast.ts'
import { addCurve, sizesOf } from './curve.ts'
import { fillJournal } from './fill-journal.ts'

const SIZES = [0, 100_000, 1_000_000]
const LARGE = 10_000_000
/** The median of so many requests, one after the other, is one sample. */
const REQUESTS = 10
/** A count is answered again for 20 times the time that it took: see `src/sqlite/counts.ts`. */
const COUNT_KEPT_FOR = 20
const WARM_UP_SECONDS = 3

interface Times {
  jobsMs: number
  failuresMs: number
  countsMs: number
}

export async function byJobs(report: Report, settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const sizes = sizesOf(settings.large ? [...SIZES, LARGE] : SIZES)
    const contenders: Contender[] = []
    const load = new Load(pinned.load)
    try {
      for (const [name, jobs] of sizes) contenders.push(await startWith(jobs, name, join(folder, name), pinned.servers))
      await lists(report, settings, sizes, contenders)
      await casts(report, settings, sizes, contenders, load)
    } finally {
      load.close()
      await stopAll(contenders)
    }
  })
}

/** Starts a server that keeps so many jobs. Its service is paused: what is cast to it stays queued. */
async function startWith(jobs: number, name: string, data: string, prefix: string[]): Promise<Contender> {
  const options = threadplane({ name, path: '/v1/services/adder/call/add', data, prefix })
  if (jobs > 0) {
    await (await Contender.start(options)).stop()
    const since = performance.now()
    fillJournal(data, jobs)
    console.log(`${name} jobs put into a journal in ${((performance.now() - since) / 1_000).toFixed(1)} s`)
  }
  const server = await Contender.start(options)
  const contender = server.at({ name, ...accepting() })
  await pause(contender)
  return contender
}

async function lists(
  report: Report,
  { rounds }: Settings,
  sizes: ReadonlyMap<string, number>,
  contenders: readonly Contender[],
): Promise<void> {
  const contestants = contenders.map((contender) => {
    let countAgainAt = 0
    const measure = async (): Promise<Times> => {
      const jobsMs = await medianTime(contender, '/v1/jobs?limit=100')
      const failuresMs = await medianTime(contender, '/v1/failures')
      await sleep(Math.max(0, countAgainAt - performance.now()))
      const countsMs = await time(contender, '/v1/jobs/counts')
      countAgainAt = performance.now() + countsMs * COUNT_KEPT_FOR
      return { jobsMs, failuresMs, countsMs }
    }
    return { name: contender.name, measure }
  })
  const turns = await takeTurns(contestants, rounds, 1)
  const series = [
    { name: '/v1/jobs?limit=100', unit: 'ms', of: ({ jobsMs }: Times) => jobsMs },
    { name: '/v1/failures', unit: 'ms', of: ({ failuresMs }: Times) => failuresMs },
    { name: '/v1/jobs/counts', unit: 'ms', of: ({ countsMs }: Times) => countsMs },
  ]
  const title = 'Time of a GET, by jobs kept; counts made anew'
  addCurve(report, { file: 'lists', title, xTitle: 'jobs kept', sizes, series }, turns)
}

async function casts(
  report: Report,
  settings: Settings,
  sizes: ReadonlyMap<string, number>,
  contenders: readonly Contender[],
  load: Load,
): Promise<void> {
  const turns = await loadInTurns(contenders, load, settings, WARM_UP_SECONDS)
  const series = [{ name: 'casts', unit: '1/s', of: rate }]
  const title = 'Casts accepted a second, by jobs kept'
  addCurve(report, { file: 'casts', title, xTitle: 'jobs kept before', sizes, series }, turns)
}

async function medianTime(contender: Contender, path: string): Promise<number> {
  const times: number[] = []
  for (let request = 0; request < REQUESTS; request += 1) times.push(await time(contender, path))
  return median(times)
}

/** From the request until the whole answer is there, in milliseconds. */
async function time({ port, name }: Contender, path: string): Promise<number> {
  const since = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  const text = await response.text()
  if (!response.ok) throw new Error(`${path} with ${name} jobs: ${response.status} ${text.slice(0, 200)}`)
  return performance.now() - since
}
