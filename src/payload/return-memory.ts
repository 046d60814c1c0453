/**
 * Gives memory back to the operating system after large payloads. V8 keeps the heap as large as they have made it, for as
 * long as the thread does little: after three calls with 10 MB of small objects, a thread kept 350 MB for ever.
 */
import { Session } from 'node:inspector/promises'
import { getHeapStatistics } from 'node:v8'

/** Smaller payloads do not make the heap much larger. */
const LARGE_BYTES = 1024 * 1024
/** Since the last large payload: a collection takes some 50 ms, and more of them may come. */
const QUIET_MS = 1_000
/** The objects that stay are gone through as well, a second for a gigabyte. Such a heap is left as it is. */
const MOST_HEAP_BYTES = 256 * 1024 * 1024

let timer: NodeJS.Timeout | undefined

/** @param bytes of a payload that is about to be parsed, of any size */
export function returnMemoryLater(bytes: number): void {
  if (bytes < LARGE_BYTES) return
  if (timer !== undefined) timer.refresh()
  else if (getHeapStatistics().used_heap_size < MOST_HEAP_BYTES)
    timer = setTimeout(() => void collect(), QUIET_MS).unref()
}

async function collect(): Promise<void> {
  timer = undefined
  const session = new Session()
  try {
    session.connect()
    await session.post('HeapProfiler.collectGarbage')
  } catch {
    // Then the thread keeps the memory. That is no reason to end it.
  } finally {
    session.disconnect()
  }
}
