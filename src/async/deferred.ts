/** A promise with the functions that settle it, like `Promise.withResolvers`, which Node 20 does not have. */
export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (error: Error) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // If nothing waits for the promise, a rejection must not count as unhandled: that would end the process.
    this.promise.catch(() => {})
  }
}
