/**
 * Frees the memory of buffers at once. V8 counts the memory of buffers outside its heap, and after each 64 MiB of it
 * runs a full garbage collection: for bodies of a megabyte, that was most of the cost of a call.
 */
import { MessageChannel } from 'node:worker_threads'

/** A closed port: what is transferred to it is freed (HTML, section 9.4.4: message port post message steps). */
const { port1: closedPort } = new MessageChannel()
closedPort.close()

/** The views cannot be used afterwards. A view of a part of a larger buffer is left as it is. */
export function releaseBuffers(views: readonly Uint8Array[]): void {
  const own = views.filter(({ buffer, byteLength }) => buffer.byteLength === byteLength)
  const buffers = own.map(({ buffer }) => buffer as ArrayBuffer)
  try {
    closedPort.postMessage(undefined, buffers)
  } catch {
    // One of them cannot be transferred: then all are left to the garbage collector.
  }
}
