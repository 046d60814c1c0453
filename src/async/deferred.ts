/** A promise and what settles it: `Promise.withResolvers`, which Node 20 does not have. */
export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (error: Error) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever waits is told of a rejection; that nobody waits is no crash of the process.
    this.promise.catch(() => {})
  }
}
