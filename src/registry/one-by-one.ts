/** Runs tasks of one name one after another, in the order in which they were asked for. */
export class OneByOne {
  /** The last task of each name that has tasks under way. */
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs the task after those before it, also if they fail. */
  async run<T>(name: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve()
    const done = before.then(task, task)
    this.#last.set(name, done)
    try {
      return await done
    } finally {
      if (this.#last.get(name) === done) this.#last.delete(name)
    }
  }
}
