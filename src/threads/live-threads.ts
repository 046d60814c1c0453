/** The threads of one ServiceThread that have not ended, and what each is to the service. */
import { ThreadplaneError } from '../contract/errors.ts'
import type { ThreadStack } from '../contract/stack.ts'
import { ServiceWorker } from './service-worker.ts'
import type { ThreadSession } from './thread-session.ts'

type Stage =
  /** Launched, and not started yet. */
  | 'starting'
  /** There is one at most: its status is that of the service, and its death is a crash of the service. */
  | 'current'
  /** Told to end, or ended as soon as the methods that it has begun are through. */
  | 'leaving'

/** A service with so many stuck threads gets no new ones. */
const MAX_STUCK = 8

/** The stack of one of the threads, by the id that its status shows. */
export type LiveStack = ThreadStack & { id: number }

/** Each thread in native code keeps its memory and perhaps a processor, possibly for ever (P5). @throws START_FAILED */
export function refuseIfStuck(service: string): void {
  const stuck = ServiceWorker.stuckOf(service)
  if (stuck < MAX_STUCK) return
  throw new ThreadplaneError('START_FAILED', `${stuck} threads of ${service} are stuck in native code already`)
}

export class LiveThreads {
  readonly #stages = new Map<ThreadSession, Stage>()

  /** Adds a thread that starts. A thread is removed when it has ended. */
  add(session: ThreadSession): void {
    this.#stages.set(session, 'starting')
    void session.worker.stop().then(() => this.#stages.delete(session))
  }

  get all(): ThreadSession[] {
    return [...this.#stages.keys()]
  }

  get starting(): ThreadSession[] {
    return this.all.filter((session) => this.#stages.get(session) === 'starting')
  }

  get current(): ThreadSession | undefined {
    for (const [session, stage] of this.#stages) if (stage === 'current') return session
    return undefined
  }

  /** Makes another thread the current one, or none. The current one so far is leaving then. */
  set current(session: ThreadSession | undefined) {
    const before = this.current
    if (before !== undefined) this.#enter(before, 'leaving')
    if (session !== undefined) this.#enter(session, 'current')
  }

  /**
   * Terminates a thread. It stays what it is until it has ended, so that a stop waits for it; a stuck thread leaves.
   */
  async terminate(session: ThreadSession): Promise<void> {
    await session.terminate()
    this.#enter(session, 'leaving')
  }

  #enter(session: ThreadSession, stage: Stage): void {
    if (this.#stages.has(session)) this.#stages.set(session, stage)
  }

  /** What each thread is doing now. */
  async stacks(): Promise<LiveStack[]> {
    const reads = this.all.map(async ({ id, worker }) => ({ id, stack: await worker.stack() }))
    return (await Promise.all(reads)).flatMap(({ id, stack }) => (stack === undefined ? [] : { id, ...stack }))
  }
}
