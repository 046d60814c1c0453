/** The pools of threads that people use, each with one function that adds two numbers. */
import { availableParallelism } from 'node:os'
import { importPeer } from '../harness/peers.ts'

export type Numbers = { a: number; b: number }
export type Sum = { sum: number }
export type Add = (numbers: Numbers) => Promise<Sum>

interface Runs {
  run: Add
}

type Pool = new (options: object) => Runs

interface Poolifier {
  FixedThreadPool: new (threads: number, file: string) => { execute: Add }
}

interface Workerpool {
  pool: (file: string, options: object) => { exec: (method: string, args: unknown[]) => Promise<Sum> }
}

const fileOf = (name: string) => new URL(`./${name}`, import.meta.url)

async function piscina(options: object): Promise<Add> {
  const { Piscina } = (await importPeer('piscina')) as { Piscina: Pool }
  const pool = new Piscina({ filename: fileOf('piscina-task.js').href, ...options })
  return (numbers) => pool.run(numbers)
}

/** By name: the package, and how to open the pool. Options that are not given have the pool's own defaults. */
export const POOLS: Record<string, { peer: string; open: () => Promise<Add> }> = {
  piscina: { peer: 'piscina', open: () => piscina({}) },
  // One thread: more of them would take turns on two cores.
  'piscina 64 at once': { peer: 'piscina', open: () => piscina({ maxThreads: 1, concurrentTasksPerWorker: 64 }) },
  'tinypool 16 at once': {
    peer: 'tinypool',
    open: async () => {
      const { default: Tinypool } = (await importPeer('tinypool')) as { default: Pool }
      const filename = fileOf('piscina-task.js').href
      const pool = new Tinypool({ filename, runtime: 'worker_threads', concurrentTasksPerWorker: 16 })
      return (numbers) => pool.run(numbers)
    },
  },
  poolifier: {
    peer: 'poolifier',
    open: async () => {
      const { FixedThreadPool } = (await importPeer('poolifier')) as Poolifier
      const pool = new FixedThreadPool(availableParallelism(), fileOf('poolifier-task.js').pathname)
      return (numbers) => pool.execute(numbers)
    },
  },
  workerpool: {
    peer: 'workerpool',
    open: async () => {
      const { default: workerpool } = (await importPeer('workerpool')) as { default: Workerpool }
      const pool = workerpool.pool(fileOf('workerpool-task.js').pathname, { workerType: 'thread' })
      return (numbers) => pool.exec('add', [numbers])
    },
  },
}
