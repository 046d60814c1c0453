/** A server under measurement, in a process of its own. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { MeasuredProcess } from './measured-process.ts'

const READY_WITHIN_MS = 60_000
const ANSWER_WITHIN_MS = 10_000

export interface ContenderOptions {
  name: string
  /** The file that `node` runs, relative to `dist/bench/servers` unless it is absolute. */
  program: string
  args?: readonly string[]
  path: string
  /** The name of the environment variable that takes the port. */
  portVariable?: string
  environment?: Record<string, string>
  /** Put before the command line, such as `taskset -c 0`. */
  prefix?: readonly string[]
  /** Takes part in one of so many rounds: more than 1 for a slow server. Default: 1. */
  every?: number
  /** Makes a question whose answer is known, another one each time. Default: the sum of two numbers. */
  question?: () => Question
}

export interface Question {
  body: string
  /** Default: JSON. */
  contentType?: string
  isAnswer: (text: string) => boolean
}

export class Contender {
  readonly name: string
  readonly every: number
  readonly port: number
  readonly url: string
  readonly process: MeasuredProcess
  readonly #question: () => Question

  private constructor(options: Omit<ContenderOptions, 'program'>, port: number, process: MeasuredProcess) {
    const { name, path, every = 1, question = sumOfTwo } = options
    this.name = name
    this.every = every
    this.port = port
    this.url = `http://127.0.0.1:${port}${path}`
    this.process = process
    this.#question = question
  }

  /** Starts the server and waits until it gives a right answer. */
  static async start(options: ContenderOptions): Promise<Contender> {
    const { program, args = [], portVariable = 'PORT', environment, prefix = [] } = options
    const port = await freePort()
    const started = new MeasuredProcess({
      program: new URL(program, new URL('../servers/', import.meta.url)),
      args,
      environment: { ...environment, [portVariable]: String(port) },
      prefix,
    })
    const contender = new Contender(options, port, started)
    try {
      await contender.#ready()
      return contender
    } catch (error) {
      await contender.stop()
      throw error
    }
  }

  async #ready(): Promise<void> {
    const until = performance.now() + READY_WITHIN_MS
    for (;;) {
      if (this.process.ended) throw new Error(`its process ended with code ${this.process.child.exitCode}`)
      const wrong = await this.ask()
      if (wrong === undefined) return
      if (performance.now() > until) throw new Error(`it is not ready after ${READY_WITHIN_MS / 1_000} s: ${wrong}`)
      await sleep(100)
    }
  }

  /** The same server, asked at another path, and perhaps other questions. */
  at(options: Pick<ContenderOptions, 'name' | 'path' | 'question'>): Contender {
    return new Contender({ ...options, every: this.every }, this.port, this.process)
  }

  /** Asks a question whose answer is known. Returns what is wrong with the answer, or `undefined`. */
  async ask(): Promise<string | undefined> {
    const { body, contentType = 'application/json', isAnswer } = this.#question()
    try {
      const headers = { 'content-type': contentType }
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
      const response = await fetch(this.url, { method: 'POST', headers, body, signal })
      const text = await response.text()
      return response.ok && isAnswer(text) ? undefined : `${response.status} ${text.slice(0, 200)}`
    } catch (error) {
      return String(error)
    }
  }

  stop(): Promise<void> {
    return this.process.stop()
  }
}

function sumOfTwo(): Question {
  const [a, b] = [Math.floor(Math.random() * 1_000), Math.floor(Math.random() * 1_000)]
  return { body: JSON.stringify({ a, b }), isAnswer: (text) => text === JSON.stringify({ sum: a + b }) }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
