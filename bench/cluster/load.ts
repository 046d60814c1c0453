/** Clients that cast and call through all nodes in turn, and note what was acknowledged, what was refused, and how soon. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { post } from '../harness/post.ts'
import type { FleetNode } from './fleet.ts'

/** Between a cast and a call of a client, and the next ones: the machine is not to be at its limit. */
const PAUSE_MS = 200
/** A client gives up then. */
const ANSWER_WITHIN_MS = 10_000
/** Deadline of a call, for the server. */
const CALL_WITHIN = '2s'

interface Fault {
  kind: string
  /** While it lasts, calls of services that run elsewhere may fail. */
  cutsNodes: boolean
  /** When the last of its calls may have ended, by the monotonic clock. */
  until: number
}

export class Load {
  readonly acknowledged = new Set<string>()
  refused = 0
  slowestRefusalMs = 0
  slowestAcceptMs = 0
  called = 0
  /** Calls that failed, and were of a node that was killed meanwhile, or of a service behind a cut. */
  callsOfFault = 0
  callsFailed = 0
  /** How often each failure was seen, with the fault of that time. */
  readonly failures = new Map<string, number>()
  readonly #nodes: readonly FleetNode[]
  readonly #runsFile: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #clients: Promise<void>[]
  #fault: Fault = { kind: 'no fault', cutsNodes: false, until: 0 }
  #isOver = false

  constructor(nodes: readonly FleetNode[], runsFile: string, clients: number) {
    this.#nodes = nodes
    this.#runsFile = runsFile
    this.#clients = Array.from({ length: clients }, (_, at) => this.#client(at))
  }

  /** The fault that begins now. */
  begins(kind: string, { cutsNodes = false } = {}): void {
    this.#fault = { kind, cutsNodes, until: Number.POSITIVE_INFINITY }
  }

  ended(): void {
    this.#fault.until = performance.now()
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  /** Answers the id of the job; `undefined`: it was not accepted. */
  async cast(node: FleetNode, ms: number): Promise<string | undefined> {
    const since = performance.now()
    const url = `${node.url}/v1/services/tally/cast/run?maxAttempts=100`
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
    let why: string
    try {
      const { status, body } = await post(this.#agent, url, { file: this.#runsFile, ms }, { signal })
      if (status === 202) {
        const { id } = JSON.parse(body) as { id: string }
        this.acknowledged.add(id)
        this.slowestAcceptMs = Math.max(this.slowestAcceptMs, performance.now() - since)
        return id
      }
      why = `${status} ${codeOf(body)}`
    } catch (error) {
      why = nameOf(error)
    }
    this.refused += 1
    this.slowestRefusalMs = Math.max(this.slowestRefusalMs, performance.now() - since)
    this.#note('cast', why)
    return undefined
  }

  async #client(at: number): Promise<void> {
    await sleep((at % 20) * (PAUSE_MS / 20))
    for (let turn = at; !this.#isOver; turn += 1) {
      const node = this.#nodes[turn % this.#nodes.length] as FleetNode
      // One method in ten takes 50 ms, so that at a fault some attempts are under way.
      await this.cast(node, Math.random() < 0.1 ? 50 : 0)
      await this.#call(node)
      await sleep(PAUSE_MS)
    }
  }

  async #call(node: FleetNode): Promise<void> {
    const since = performance.now()
    const { kills } = node
    const wasUp = node.process !== undefined
    const fault = this.#fault
    let why: string
    let status = 0
    try {
      const url = `${node.url}/v1/services/adder/call/add`
      const headers = { 'request-timeout': CALL_WITHIN }
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
      const answer = await post(this.#agent, url, { a: 2, b: 3 }, { headers, signal })
      this.called += 1
      status = answer.status
      if (status === 200 && answer.body === '{"sum":5}') return
      why = `${status} ${codeOf(answer.body)}`
    } catch (error) {
      this.called += 1
      why = nameOf(error)
    }
    const asksKilled = !wasUp || node.process === undefined || node.kills !== kills
    // The node that was asked lives, and says that the one that ran the call has died.
    const ranOnKilled = status === 502 && !node.runsCalls && this.#nodes.some(({ killedAt }) => killedAt >= since)
    const isBehindCut = !node.runsCalls && [fault, this.#fault].some((each) => each.cutsNodes && each.until >= since)
    if (asksKilled || ranOnKilled || isBehindCut) {
      this.callsOfFault += 1
      return
    }
    this.callsFailed += 1
    this.#note(`call of ${node.name}`, why)
  }

  #note(what: string, why: string): void {
    const { kind, until } = this.#fault
    const text = `${until > performance.now() ? kind : 'no fault'}: ${what}: ${why}`
    this.failures.set(text, (this.failures.get(text) ?? 0) + 1)
  }
}

function codeOf(body: string): string {
  const { code, detail } = JSON.parse(body) as { code: string; detail?: string }
  // Without what differs each time.
  return detail === undefined ? code : `${code} ${detail.replace(/\d+/g, 'N').slice(0, 100)}`
}

function nameOf(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  return code ?? name
}
