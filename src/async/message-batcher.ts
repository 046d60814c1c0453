/**
 * Collects the messages of one turn of the event loop and posts them as one array. Each post wakes the other thread
 * once, which costs more than the messages themselves: so tens of messages share one wake-up.
 */
export class MessageBatcher<Message> {
  readonly #post: (messages: Message[]) => void
  readonly #onRefused: (message: Message, error: unknown) => void
  #messages: Message[] = []
  #scheduled = false

  /**
   * @param post sends an array of messages; may throw if one cannot be cloned
   * @param onRefused called for each message that cannot be cloned, with the error; a getter can throw any value
   */
  constructor(post: (messages: Message[]) => void, onRefused: (message: Message, error: unknown) => void) {
    this.#post = post
    this.#onRefused = onRefused
  }

  /** Number of messages that wait for the end of the turn. */
  get size(): number {
    return this.#messages.length
  }

  push(message: Message): void {
    this.#messages.push(message)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#endTurn)
  }

  /** Posts the messages now instead of at the end of the turn. */
  readonly flush = (): void => {
    if (this.#messages.length === 0) return
    const messages = this.#messages
    this.#messages = []
    try {
      this.#post(messages)
    } catch {
      this.#postOneByOne(messages)
    }
  }

  readonly #endTurn = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** After a failed post: the messages that can be cloned are sent all the same. */
  #postOneByOne(messages: Message[]): void {
    for (const message of messages) {
      try {
        this.#post([message])
      } catch (error) {
        this.#onRefused(message, error)
      }
    }
  }
}
