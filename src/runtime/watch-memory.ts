/**
 * All of a process's memory, seen from its main thread. V8's limits know of the heap alone: Buffers, WebAssembly and what
 * native code takes would go on until the machine has none left, and the system ends whom it likes.
 */
import { totalmem } from 'node:os'
import { type WireError, toWireError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import { OUT_OF_MEMORY } from '../protocol/process-messages.ts'

/** What fills memory as fast as it can takes some hundred MiB meanwhile. */
const SWEEP_EVERY_MS = 50
const SHARE_OF_MEMORY = 1 / 4
const MOST_BY_DEFAULT_MB = 2_048
/** What a process takes beside the heap of its service's thread. */
const BESIDE_HEAP_MB = 512
const MIB = 2 ** 20

type Limits = ResolvedServiceOptions['limits']

/** @param onExceeded is told once, and has to end the process */
export function watchMemory(service: string, limits: Limits, onExceeded: (error: WireError) => void): void {
  const maxRssMb = limits.maxRssMb ?? defaultMaxRssMb(limits)
  const timer = setInterval(() => {
    const usedMb = process.memoryUsage.rss() / MIB
    if (usedMb <= maxRssMb) return
    clearInterval(timer)
    const message = `the process of ${service} took ${Math.round(usedMb)} MiB, and limits.maxRssMb is ${Math.round(maxRssMb)}`
    onExceeded(toWireError(Object.assign(new Error(message), { code: OUT_OF_MEMORY })))
  }, SWEEP_EVERY_MS)
}

/** 2 GiB, or a quarter of what the machine or container has; never less than the heap that the service was given. */
function defaultMaxRssMb({ maxOldGenerationSizeMb = 0, maxYoungGenerationSizeMb = 0 }: Limits): number {
  const constrained = process.constrainedMemory?.() ?? 0
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  const heapMb = maxOldGenerationSizeMb + maxYoungGenerationSizeMb
  return Math.max(Math.min((memory / MIB) * SHARE_OF_MEMORY, MOST_BY_DEFAULT_MB), heapMb + BESIDE_HEAP_MB)
}
