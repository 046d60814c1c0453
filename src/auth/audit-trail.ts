/**
 * Writes the rows of the audit. No request waits for its row: rows wait in a queue, and all that have arrived while some
 * are written are written together. A flood of refusals thus costs the store one transaction at a time. Rows that find the
 * queue full, or that the store does not take, are lost; the log counts them and has the last one.
 */
import type { AuditRow, AuditStore } from '../contract/audit.ts'
import type { ServiceLog } from '../contract/log.ts'

const MAX_WAITING_ROWS = 5_000
/** Rows of one transaction. */
const STEP = 500
/** Lost rows are logged together, so that a flood of them is no flood in the log. */
const LOG_LOST_AFTER_MS = 1_000

export class AuditTrail {
  /** Called with each row, for streams of events. */
  onRow: (row: AuditRow) => void = () => {}
  readonly #store: AuditStore
  readonly #log: ServiceLog
  #waiting: AuditRow[] = []
  #writing = false
  #lost = 0
  #lastLost: AuditRow | undefined
  #lostTimer: NodeJS.Timeout | undefined

  constructor(store: AuditStore, log: ServiceLog) {
    this.#store = store
    this.#log = log
  }

  record(row: AuditRow): void {
    this.onRow(row)
    if (this.#waiting.length >= MAX_WAITING_ROWS) return this.#lose([row])
    this.#waiting.push(row)
    if (!this.#writing) void this.#write()
  }

  async #write(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0) await this.#put(this.#waiting.splice(0, STEP))
    this.#writing = false
  }

  async #put(rows: AuditRow[]): Promise<void> {
    try {
      await this.#store.audit(rows)
    } catch {
      this.#lose(rows)
    }
  }

  #lose(rows: AuditRow[]): void {
    this.#lost += rows.length
    this.#lastLost = rows.at(-1)
    this.#lostTimer ??= setTimeout(() => this.#logLost(), LOG_LOST_AFTER_MS).unref()
  }

  #logLost(): void {
    clearTimeout(this.#lostTimer)
    this.#lostTimer = undefined
    if (this.#lost === 0) return
    this.#log.error(
      { rows: this.#lost, last: this.#lastLost },
      'rows of the audit are lost: the journal does not take them, or they are too many',
    )
    this.#lost = 0
  }

  /** Asks the store to write the rows that still wait. Call it before closing the store, which waits for the write. */
  close(): void {
    if (this.#waiting.length > 0) void this.#put(this.#waiting.splice(0))
    this.#logLost()
  }
}
