/** What has changed between two looks at the stack of a thread. Pure. */
import type { StackFrame } from '../../../src/contract/stack.ts'

/** `moved`: the same function at another line. `gone`: only the look before had it. */
export interface ComparedFrame {
  frame: StackFrame
  change: 'same' | 'moved' | 'new' | 'gone'
}

/**
 * The frames of both looks, innermost first. Stacks grow and shrink at the inner end, so frames are compared from the outer
 * end: what follows the first difference is new or gone.
 */
export function compareStacks(
  before: readonly StackFrame[] | undefined,
  after: readonly StackFrame[],
): ComparedFrame[] {
  if (before === undefined) return after.map((frame) => ({ frame, change: 'same' }))
  const common: ComparedFrame[] = []
  while (common.length < after.length && common.length < before.length) {
    const frame = after[after.length - 1 - common.length] as StackFrame
    const old = before[before.length - 1 - common.length] as StackFrame
    if (frame.function !== old.function || frame.url !== old.url) break
    common.push({ frame, change: frame.line === old.line && frame.column === old.column ? 'same' : 'moved' })
  }
  const rest = (frames: readonly StackFrame[]) => frames.slice(0, frames.length - common.length)
  return [
    ...rest(before).map((frame): ComparedFrame => ({ frame, change: 'gone' })),
    ...rest(after).map((frame): ComparedFrame => ({ frame, change: 'new' })),
    ...common.reverse(),
  ]
}

/** The end of a URL: the file and two folders around it. */
export function shortUrl(url: string): string {
  const path = url.replace(/^file:\/\//, '')
  const parts = path.split('/')
  return parts.length > 4 ? `…/${parts.slice(-3).join('/')}` : path
}
