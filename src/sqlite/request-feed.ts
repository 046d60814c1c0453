/**
 * Sends operations to the journal's process, one batch at a time: what is asked while it commits goes together in the next
 * batch. So a commit serves many clients when there are many, and a message costs each of them little. A client that is
 * alone waits for nobody.
 */
import type { JournalRequest } from './messages.ts'

/**
 * So many operations are sent before the end of the turn. Clients that were answered together ask again together;
 * without this head start, the server and the journal's process would wait for each other in turns.
 */
const HEAD_START = 8

type State =
  /** Nothing waits, and nothing is sent and not answered. */
  | 'idle'
  /** What is asked in this turn of the event loop is sent at its end. */
  | 'collecting'
  /** A batch is sent and not answered: what is asked meanwhile waits. */
  | 'busy'

export class RequestFeed {
  readonly #send: (requests: JournalRequest[]) => void
  #waiting: JournalRequest[] = []
  #state: State = 'idle'

  constructor(send: (requests: JournalRequest[]) => void) {
    this.#send = send
  }

  push(request: JournalRequest): void {
    this.#waiting.push(request)
    if (this.#state === 'idle') {
      this.#state = 'collecting'
      setImmediate(this.#endTurn)
    } else if (this.#state === 'collecting' && this.#waiting.length >= HEAD_START) this.flush()
  }

  /** The process has sent a message. Most often that is the answer to the batch; after any other, the next batch is early. */
  answered(): void {
    if (this.#state !== 'busy') return
    this.#state = 'idle'
    this.flush()
  }

  /** Sends all operations that wait, even if the process has not answered the last batch yet. */
  flush(): void {
    if (this.#waiting.length === 0) return
    const requests = this.#waiting
    this.#waiting = []
    this.#state = 'busy'
    this.#send(requests)
  }

  readonly #endTurn = (): void => {
    if (this.#state === 'collecting') this.flush()
  }
}
