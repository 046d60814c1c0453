/** Servers with many registered services, of which one is started. Each service has `METHODS` methods. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contender, type ContenderOptions } from './contender.ts'
import { threadplane } from './threadplane.ts'
import { stopAll } from './under-load.ts'

const METHODS = 10
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

/**
 * Starts a server for each count, and checks that it has so many services, all described, and one that runs.
 *
 * @param counts the services of each server, by its name
 * @param prefix put before the command lines
 */
export async function startAmong(
  folder: string,
  counts: ReadonlyMap<string, number>,
  prefix: readonly string[],
): Promise<Contender[]> {
  const contenders: Contender[] = []
  try {
    for (const [name, count] of counts) {
      const workers = join(folder, name)
      mkdirSync(workers)
      const options = threadplane({ name, path: PATH, workers, data: join(folder, `${name} data`), prefix })
      if (count > 1) await describeOther(options, workers)
      write(workers, count)
      const contender = await Contender.start(options)
      contenders.push(contender)
      await check(contender, count)
    }
    return contenders
  } catch (error) {
    await stopAll(contenders)
    throw error
  }
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

async function check(contender: Contender, count: number): Promise<void> {
  const { items, methods, running } = await registered(contender)
  console.log(`${contender.name}: ${items} registered, ${methods} methods, ${running} running`)
  if (items !== count || methods !== count * METHODS || running !== 1) {
    throw new Error(`${contender.name}: these are not the services that are to be measured`)
  }
}

/** Counts the registered services, the methods that they have described, and the services that run. */
async function registered({ port }: Contender): Promise<{ items: number; methods: number; running: number }> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/services`)
  const { items } = (await response.json()) as { items: { state: string; methods: string[] }[] }
  const methods = items.reduce((sum, service) => sum + service.methods.length, 0)
  return { items: items.length, methods, running: items.filter(({ state }) => state === 'running').length }
}
