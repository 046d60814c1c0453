/**
 * Clients behind a proxy that call and cast at a steady rate, and count what fails: half of them use the package's client,
 * which tries again; the other half send each request once.
 */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, PlaneError } from '../../src/client/index.ts'
import { post } from '../harness/post.ts'
import type adder from '../workers/adder.ts'
import type tally from '../workers/tally.ts'

/** Between a call and a cast of a client, and the next ones. */
const PAUSE_MS = 200
/** A client gives up then. */
const ANSWER_WITHIN_MS = 20_000

interface Tally {
  requests: number
  /** How often each failure was seen, with what happened at that time. */
  failures: Map<string, number>
  slowestMs: number
}

/** The two requests of a client. */
interface Client {
  call: () => Promise<unknown>
  /** Answers the id of the job. */
  cast: (ms: number) => Promise<string>
}

export class ProxyLoad {
  readonly acknowledged = new Set<string>()
  readonly ofPackage: Tally = { requests: 0, failures: new Map(), slowestMs: 0 }
  readonly plain: Tally = { requests: 0, failures: new Map(), slowestMs: 0 }
  /** What happens now. */
  phase = 'quiet'
  readonly #url: string
  readonly #runsFile: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #clients: Promise<void>[]
  #isOver = false

  constructor(url: string, runsFile: string, clients: number) {
    this.#url = url
    this.#runsFile = runsFile
    this.#clients = Array.from({ length: clients }, (_, at) =>
      at % 2 === 0
        ? this.#run(at / clients, this.ofPackage, this.#packageClient())
        : this.#run(at / clients, this.plain, this.#plainClient()),
    )
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  #packageClient(): Client {
    const plane = createClient({ url: this.#url, timeoutMs: ANSWER_WITHIN_MS })
    const { call } = plane.service<typeof adder>('adder')
    const { cast } = plane.service<typeof tally>('tally')
    return {
      call: async () => {
        const { sum } = await call.add({ a: 2, b: 3 })
        if (sum !== 5) throw new Error(`the sum is ${sum}`)
      },
      cast: async (ms) => (await cast.run({ file: this.#runsFile, ms })).id,
    }
  }

  #plainClient(): Client {
    const send = async (path: string, payload: object, expected: number) => {
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
      const { status, body } = await post(this.#agent, `${this.#url}/v1/services/${path}`, payload, { signal })
      if (status !== expected) throw new Error(`${status} ${(JSON.parse(body) as { code: string }).code}`)
      return JSON.parse(body) as { id: string }
    }
    return {
      call: () => send('adder/call/add', { a: 2, b: 3 }, 200),
      cast: async (ms) => (await send('tally/cast/run', { file: this.#runsFile, ms }, 202)).id,
    }
  }

  async #run(part: number, tally: Tally, { call, cast }: Client): Promise<void> {
    await sleep(part * PAUSE_MS)
    while (!this.#isOver) {
      // One method in ten takes 50 ms, so that some attempts are under way when a node stops.
      const ms = Math.random() < 0.1 ? 50 : 0
      await this.#note(tally, 'call', call)
      await this.#note(tally, 'cast', async () => this.acknowledged.add(await cast(ms)))
      await sleep(PAUSE_MS)
    }
  }

  async #note(tally: Tally, what: string, send: () => Promise<unknown>): Promise<void> {
    const since = performance.now()
    const { phase } = this
    tally.requests += 1
    try {
      await send()
    } catch (error) {
      const text = `${phase}: ${what}: ${nameOf(error)}`
      tally.failures.set(text, (tally.failures.get(text) ?? 0) + 1)
    }
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - since)
  }
}

function nameOf(error: unknown): string {
  if (error instanceof PlaneError) return `${error.status} ${error.code}`
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
