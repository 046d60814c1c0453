/**
 * Collects the messages of one turn of the event loop and posts them as one array: a message a turn carries tens of
 * jobs, where a message a job would cost the other side a wake-up each. Both sides of a thread use it.
 */
export class MessageBatcher<Message> {
  readonly #post: (messages: Message[]) => void
  readonly #refused: (message: Message, error: unknown) => void
  #messages: Message[] = []
  #scheduled = false

  /**
   * @param post sends an array of messages; may throw what structured clone throws
   * @param refused is told of each message that cannot be cloned, and of what that threw: a getter's may be anything
   */
  constructor(post: (messages: Message[]) => void, refused: (message: Message, error: unknown) => void) {
    this.#post = post
    this.#refused = refused
  }

  /** Messages that wait for the end of the turn. */
  get size(): number {
    return this.#messages.length
  }

  push(message: Message): void {
    this.#messages.push(message)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#endTurn)
  }

  /** Posts now, without waiting for the end of the turn. */
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

  /** One a turn, however often it is flushed before. */
  readonly #endTurn = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** One message that cannot be cloned must not take the others of its turn with it. */
  #postOneByOne(messages: Message[]): void {
    for (const message of messages) {
      try {
        this.#post([message])
      } catch (error) {
        this.#refused(message, error)
      }
    }
  }
}
