/**
 * 300 services that are started at once: the time until all run against the work that this takes, and the memory of the
 * server, both against raw threads that import the same modules.
 */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../harness/eventually.ts'
import { idleMs, pins } from '../harness/machine.ts'
import { cpuMsOf, MeasuredProcess, rssBytesOf } from '../harness/measured-process.ts'
import { ROOT } from '../harness/peers.ts'
import { Report } from '../harness/report.ts'
import { takeTurns } from '../harness/rounds.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder } from '../harness/threadplane.ts'
import { launch, type Plane } from '../plane.ts'

const SERVICES = 300
const NAMES = Array.from({ length: SERVICES }, (_, index) => `adder${index}`)
/** Each takes a minute and some gigabytes. */
const MAX_ROUNDS = 3
const CORES = 2
/** For the description of the modules, and for the start of all services. */
const WITHIN_MS = 300_000
/** Wait before memory is read: what only a start needs is given back in this time. */
const SETTLE_MS = 3_000
const RAW = 'raw Workers, same modules'

const MODULE = `
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'
const add = method({
  input: z.object({ a: z.number(), b: z.number() }),
  output: z.object({ sum: z.number() }),
  handler: ({ a, b }) => ({ sum: a + b }),
})
export default defineService({ autostart: false, methods: { add } })
`

interface Started {
  /** Until the last service runs. */
  ms: number
  cpuMs: number
  /** Time that the two cores had nothing to do meanwhile, together. */
  idleMs: number
  /** Of all processes. */
  rssBytes: number
}

export async function startServices(settings: Settings): Promise<void> {
  const report = new Report('start-services', settings)
  await inFolder(async (folder) => {
    const modules = join(folder, 'services')
    const data = join(folder, 'data')
    makeFolder(modules)
    await describe(modules, data)
    const contestants = [
      { name: RAW, measure: () => startRaw(modules) },
      { name: 'threadplane', measure: () => startPlane(modules, data) },
    ]
    // Each round has new processes: there is nothing to warm up.
    const turns = await takeTurns(contestants, Math.min(settings.rounds, MAX_ROUNDS), 0)
    const work = ({ cpuMs }: Started) => cpuMs / 1_000 / CORES
    const rss = ({ rssBytes }: Started) => rssBytes / 2 ** 20
    report.add(`${SERVICES} services started at once`, turns, [
      { title: 's until all run', of: ({ ms }) => ms / 1_000 },
      { title: 'CPU s ÷ 2 cores', of: work },
      { title: 'time ÷ work on 2 cores', of: (started) => started.ms / 1_000 / work(started) },
      { title: 'cores idle', of: ({ ms, idleMs }) => idleMs / ms / CORES },
      { title: 'time ÷ raw', of: ({ ms }) => ms, over: RAW },
      { title: 'CPU ÷ raw', of: work, over: RAW },
      { title: 'RSS MiB', of: rss },
      { title: 'RSS ÷ raw', of: rss, over: RAW },
    ])
  })
  report.write()
}

/** In a folder that has its packages, as that of a user has. */
function makeFolder(folder: string): void {
  const packages = join(folder, 'node_modules')
  mkdirSync(packages, { recursive: true })
  symlinkSync(ROOT, join(packages, 'threadplane'))
  symlinkSync(join(ROOT, 'node_modules/zod'), join(packages, 'zod'))
  writeFileSync(join(folder, `${NAMES[0]}.mjs`), MODULE)
}

/** Descriptions are stored by content: once one module is described, all are. */
async function describe(modules: string, data: string): Promise<void> {
  const plane = await launch(data, { workers: modules })
  try {
    await described(plane, 1)
  } finally {
    await plane.stop()
  }
  for (const name of NAMES) writeFileSync(join(modules, `${name}.mjs`), MODULE)
}

async function startRaw(modules: string): Promise<Started> {
  const process = new MeasuredProcess({
    program: new URL('../in-process/raw-threads.js', import.meta.url),
    args: [modules],
    prefix: pins('both cores').servers,
    ipc: true,
  })
  try {
    await process.nextMessage()
    return await measure(process.pid, async () => {
      const started = process.nextMessage()
      process.child.send('start')
      await started
    })
  } finally {
    await process.stop()
  }
}

async function startPlane(modules: string, data: string): Promise<Started> {
  const plane = await launch(data, { workers: modules, prefix: pins('both cores').servers })
  try {
    await described(plane, SERVICES)
    const started = await measure(plane.pid, async () => {
      await Promise.all(NAMES.map((name) => post(plane, `${name}/start`)))
    })
    const sums = await Promise.all(NAMES.map((name) => post(plane, `${name}/call/add`, '{"a":2,"b":3}')))
    if (sums.some((text) => text !== '{"sum":5}')) throw new Error('not all services run')
    return started
  } finally {
    await plane.stop()
  }
}

/** Waits until the server knows the methods of so many services, which have one each. */
async function described(plane: Plane, services: number): Promise<void> {
  const isSo = async () => {
    const { items } = (await (await plane.send('/v1/services')).json()) as { items: { methods: unknown[] }[] }
    return items.reduce((sum, service) => sum + service.methods.length, 0) === services
  }
  await eventually(`the descriptions of ${services} services`, isSo, WITHIN_MS)
}

/** @throws Error if the answer is not 200 */
async function post(plane: Plane, path: string, body?: string): Promise<string> {
  const response = await fetch(`${plane.url}/v1/services/${path}`, {
    method: 'POST',
    ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(WITHIN_MS),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return text
}

async function measure(pid: number, start: () => Promise<void>): Promise<Started> {
  const before = { at: performance.now(), cpuMs: cpuMsOf(pid), idleMs: idleMs() }
  await start()
  const ms = performance.now() - before.at
  const used = { cpuMs: cpuMsOf(pid) - before.cpuMs, idleMs: idleMs() - before.idleMs }
  await sleep(SETTLE_MS)
  return { ms, ...used, rssBytes: rssBytesOf(pid) }
}
