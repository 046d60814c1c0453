/**
 * The rows of the other nodes, as this node has read them. A beat answers whose rows may have changed since an earlier beat:
 * only those are read again. Rows that have changed without a new answer, as the answer was lost, are asked for again.
 */
import { type BeatRow, type OtherRow, READ_OTHERS, readTold, type Told } from './beat.ts'
import type { Run } from './statement.ts'

/** Older than every transaction. */
const FIRST_TRANSACTION = '0'

export interface OtherNode extends Omit<OtherRow, 'told'>, Told {
  /** Of its last beat: milliseconds since the epoch, by the clock of the database. */
  readonly beatAt: number
}

export class OtherNodes {
  /** By the id. */
  readonly #read = new Map<string, Omit<OtherNode, 'beatAt'>>()
  /** The last answer all of whose changes were read, and the connection that it came from. */
  #last: { run: Run; answer: BeatRow } | undefined

  /** The transaction from which on a beat asks for changes. Another connection may be to another server: it asks for all. */
  changedFrom(run: Run): string {
    return this.#last?.run === run ? this.#last.answer.readUpTo : FIRST_TRANSACTION
  }

  /** Reads what a beat says has changed. */
  async update(run: Run, answer: BeatRow): Promise<void> {
    const { changed, seen } = answer
    const rows = changed.length === 0 ? [] : (await run<OtherRow>(READ_OTHERS, [changed])).rows
    for (const { told, ...row } of rows) this.#read.set(row.id, { ...row, ...readTold(told) })
    for (const id of this.#read.keys()) if (!(id in seen)) this.#read.delete(id)
    this.#last = { run, answer }
  }

  /** All that have a row. One that has gone since the beat has none. */
  get all(): OtherNode[] {
    const { seen = {} } = this.#last?.answer ?? {}
    return Object.entries(seen).flatMap(([id, beatAt]) => {
      const read = this.#read.get(id)
      return read === undefined ? [] : [{ ...read, beatAt }]
    })
  }
}
