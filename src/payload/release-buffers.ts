/**
 * Gives the memory of buffers back at once. V8 counts what they hold outside of its heap, and after each 64 MiB of that
 * goes through the whole heap for what is garbage: for bodies of a megabyte that was most of what a call cost.
 */
import { MessageChannel } from 'node:worker_threads'

/** What is transferred to a closed port is gone (HTML, section 9.4.4: message port post message steps). */
const { port1: nowhere } = new MessageChannel()
nowhere.close()

/** Nobody may look at them again. Left alone are parts of something larger, which is not theirs. */
export function releaseBuffers(views: readonly Uint8Array[]): void {
  const own = views.filter(({ buffer, byteLength }) => buffer.byteLength === byteLength)
  const buffers = own.map(({ buffer }) => buffer as ArrayBuffer)
  try {
    nowhere.postMessage(undefined, buffers)
  } catch {
    // One of them may not be transferred: then all are left to the garbage collector.
  }
}
