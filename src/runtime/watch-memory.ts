/**
 * Ends a service's process that takes too much memory (`limits.maxRssMb`). V8's own limits cover the heap alone; this
 * one also covers Buffers, WebAssembly and native code, which could otherwise take all memory of the machine.
 */
import { totalmem } from 'node:os'
import { type WireError, toWireError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import { OUT_OF_MEMORY } from '../protocol/process-messages.ts'

/** Code that fills memory at full speed takes some hundred MiB within this time. */
const CHECK_EVERY_MS = 50
const DEFAULT_SHARE_OF_MACHINE = 1 / 4
const DEFAULT_MAX_RSS_MB = 2_048
/** What a process takes beside the heap of its service's thread. */
const BESIDE_HEAP_MB = 512
const MIB = 2 ** 20

type Limits = ResolvedServiceOptions['limits']

/** @param onExceeded called once; it has to end the process */
export function watchMemory(service: string, limits: Limits, onExceeded: (error: WireError) => void): void {
  const maxRssMb = limits.maxRssMb ?? defaultMaxRssMb(limits)
  const timer = setInterval(() => {
    const usedMb = process.memoryUsage.rss() / MIB
    if (usedMb <= maxRssMb) return
    clearInterval(timer)
    const message = `the process of ${service} took ${Math.round(usedMb)} MiB, and limits.maxRssMb is ${Math.round(maxRssMb)}`
    onExceeded(toWireError(Object.assign(new Error(message), { code: OUT_OF_MEMORY })))
  }, CHECK_EVERY_MS)
}

/** 2 GiB, or a quarter of the memory of machine or container if that is less; at least enough for the heap limits. */
function defaultMaxRssMb({ maxOldGenerationSizeMb = 0, maxYoungGenerationSizeMb = 0 }: Limits): number {
  const constrained = process.constrainedMemory?.() ?? 0
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  const heapMb = maxOldGenerationSizeMb + maxYoungGenerationSizeMb
  return Math.max(Math.min((memory / MIB) * DEFAULT_SHARE_OF_MACHINE, DEFAULT_MAX_RSS_MB), heapMb + BESIDE_HEAP_MB)
}
