/** Holds its thread for ten milliseconds, and uses no processor meanwhile: threads are the limit, and not processors. */
import { defineService, method } from 'threadplane/service'

const cell = new Int32Array(new SharedArrayBuffer(4))

export default defineService({
  methods: { wait: method({ handler: () => Atomics.wait(cell, 0, 0, 10) }) },
})
