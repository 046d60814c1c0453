/** What many registered services cost a call: 500 with 5,000 methods, of which one is started. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender, type ContenderOptions } from '../harness/contender.ts'
import { describeLoad, Load } from '../harness/load.ts'
import { pins } from '../harness/machine.ts'
import { Report } from '../harness/report.ts'
import type { Settings } from '../harness/settings.ts'
import { inFolder, threadplane } from '../harness/threadplane.ts'
import { columns, loadInTurns, startAll, stopAll } from '../harness/under-load.ts'

const SERVICES = 500
const METHODS = 10
const ONE = 'threadplane, 1 service'
const MANY = `threadplane, ${SERVICES} services`
const PATH = '/v1/services/adder/call/add'

/** The source of a module like `workers/adder.ts`, with `METHODS` methods. */
const module = (autostart: boolean) => `
import { defineService, method } from 'threadplane'
import { z } from 'zod'
const add = method({
  input: z.object({ a: z.number(), b: z.number() }),
  output: z.object({ sum: z.number() }),
  handler: ({ a, b }) => ({ sum: a + b }),
})
const names = ['add', ...Array.from({ length: ${METHODS - 1} }, (_, index) => 'add' + index)]
export default defineService({ autostart: ${autostart}, methods: Object.fromEntries(names.map((name) => [name, add])) })
`

export async function services(settings: Settings): Promise<void> {
  await inFolder(async (folder) => {
    const pinned = pins('both cores')
    const load = new Load(pinned.load)
    const report = new Report('services', settings, [], { load: describeLoad() })
    const contender = (name: string) => {
      const workers = join(folder, name)
      mkdirSync(workers)
      return threadplane({ name, path: PATH, workers, data: join(folder, `${name} data`), prefix: pinned.servers })
    }
    const [one, many] = [contender(ONE), contender(MANY)]
    write(join(folder, ONE), 1)
    await describeOther(many, join(folder, MANY))
    write(join(folder, MANY), SERVICES)
    const started = await startAll([one, many], [ONE, MANY])
    try {
      for (const [name, count] of [
        [ONE, 1],
        [MANY, SERVICES],
      ] as const) {
        const { items, methods, running } = await registered(started.contenders.find((one) => one.name === name))
        console.log(`${name}: ${items} registered, ${methods} methods, ${running} running`)
        if (items !== count || methods !== count * METHODS || running !== 1) {
          throw new Error(`${name}: these are not the services that are to be measured`)
        }
      }
      const turns = await loadInTurns(started.contenders, load, settings)
      report.add('call among services that are registered', turns, columns('calls', ONE))
      report.write()
    } finally {
      await stopAll(started.contenders)
      load.close()
    }
  })
}

/** Writes the module `adder`, and others that are not started: `count` in all. */
function write(workers: string, count: number): void {
  writeFileSync(join(workers, 'adder.mjs'), module(true))
  for (let other = 1; other < count; other += 1) writeFileSync(join(workers, `other${other}.mjs`), module(false))
}

/** All others have the same content, and descriptions are stored by content: once one is described, all are. */
async function describeOther(options: ContenderOptions, workers: string): Promise<void> {
  write(workers, 2)
  const contender = await Contender.start(options)
  try {
    while ((await registered(contender)).methods < 2 * METHODS) await sleep(100)
  } finally {
    await contender.stop()
  }
}

/** Counts the registered services, the methods that they have described, and the services that run. */
async function registered(contender?: Contender): Promise<{ items: number; methods: number; running: number }> {
  const response = await fetch(`http://127.0.0.1:${contender?.port}/v1/services`)
  const { items } = (await response.json()) as { items: { state: string; methods: string[] }[] }
  const methods = items.reduce((sum, service) => sum + service.methods.length, 0)
  return { items: items.length, methods, running: items.filter(({ state }) => state === 'running').length }
}
