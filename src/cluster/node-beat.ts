/**
 * The row of this node: it is there while the node may begin attempts. Each beat renews it and compares the clocks. A
 * node that was itself cut off from the database waits for a lease before it says of others that they have gone.
 */
import { type Run, statement } from './statement.ts'
import { NOW, type StoreClock } from './store-clock.ts'
import { timings } from './timings.ts'

/** How a node is known to others. */
export interface NodeIdentity {
  /** A UUID, of one process. */
  id: string
  name: string
}

const BEAT = statement(
  'beat',
  `INSERT INTO nodes (id, name, url, token, version) VALUES ($1, $2, '', '', '')
    ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp() RETURNING ${NOW} AS now`,
)
const LEAVE = statement('leave', 'DELETE FROM nodes WHERE id = $1')

export class NodeBeat {
  readonly #node: NodeIdentity
  readonly #clock: StoreClock
  /** Since when it has seen the database without a break, by the monotonic clock. */
  #seesSince: number | undefined

  constructor(node: NodeIdentity, clock: StoreClock) {
    this.#node = node
    this.#clock = clock
  }

  /** May it say of others that they have gone? */
  get maySpeakOfOthers(): boolean {
    return this.#seesSince !== undefined && performance.now() - this.#seesSince >= timings.leaseMs
  }

  readonly beat = async (run: Run): Promise<void> => {
    const sentAt = performance.now()
    try {
      await this.#clock.measured(() => run<{ now: number }>(BEAT, [this.#node.id, this.#node.name]))
      this.#seesSince ??= sentAt
    } catch (error) {
      this.#seesSince = undefined
      throw error
    }
  }

  /** Its attempts that have not ended are those of a node that has gone. */
  async leave(run: Run): Promise<void> {
    await run(LEAVE, [this.#node.id])
  }
}
