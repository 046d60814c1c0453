/**
 * What a worker thread of this process is doing now: its JavaScript stack, also of one that hangs.
 *
 * A message of the inspector interrupts whatever JavaScript a thread runs. So an expression that throws is evaluated
 * on top of it, and V8 tells from where it was thrown. Nothing is paused by that. In an event loop that waits the
 * expression has nothing below it; a thread in native code does not answer.
 *
 * 1. `Debugger.pause` would tell the same, but it sends every script first: 0.2 to 0.9 s where this takes 1 to 40 ms,
 *    and 7,000 frames deep it never answered.
 * 2. It is done by a thread of its own, the reader. Here, a callback would tell of each thread that is attached to, in
 *    which the end of another may be noticed while Node goes through its list of them: that ends the process.
 */
import { Worker } from 'node:worker_threads'
import type { ThreadStack } from '../contract/stack.ts'

/** How long the reader is kept for the next look: under load it takes a thread a while to begin. */
const KEEP_READER_MS = 2_000
/** It answers within a second, if it gets any time at all. */
const READER_TIMEOUT_MS = 5_000

type Stacks = Map<number, ThreadStack>

let reader: Worker | undefined
let readerEnds: NodeJS.Timeout | undefined
/** Looks follow one another; the next is at all threads that are asked for until it begins. */
let present: Promise<unknown> = Promise.resolve()
let next: { threadIds: Set<number>; stacks: Promise<Stacks> } | undefined

/** `undefined` if there is no such thread (any more). It takes about a second at most, and that of the look before. */
export async function readStack(threadId: number): Promise<ThreadStack | undefined> {
  if (next === undefined) {
    const threadIds = new Set<number>()
    const stacks = present.then(() => {
      next = undefined
      return lookAt([...threadIds])
    })
    present = stacks
    next = { threadIds, stacks }
  }
  next.threadIds.add(threadId)
  const stacks = await next.stacks
  return stacks.get(threadId)
}

async function lookAt(threadIds: number[]): Promise<Stacks> {
  clearTimeout(readerEnds)
  reader ??= startReader()
  const worker = reader
  const late = setTimeout(() => endReader(worker), READER_TIMEOUT_MS)
  const stacks = await new Promise<Stacks>((resolve) => {
    const answered = (answer: Stacks) => {
      worker.off('message', answered)
      worker.off('exit', gone)
      resolve(answer)
    }
    const gone = () => answered(new Map())
    worker.on('message', answered)
    worker.on('exit', gone)
    worker.postMessage(threadIds)
  })
  clearTimeout(late)
  readerEnds = setTimeout(() => endReader(worker), KEEP_READER_MS).unref()
  return stacks
}

function startReader(): Worker {
  const worker = new Worker(new URL('./stack-reader-entry.js', import.meta.url), { name: 'stack reader' })
  worker.unref()
  // Its end, which follows, is what a look is told.
  worker.on('error', () => {})
  worker.on('exit', () => endReader(worker))
  return worker
}

/** For when no thread is left to look at. */
export function endReading(): void {
  if (reader !== undefined) endReader(reader)
}

function endReader(worker: Worker): void {
  if (reader === worker) reader = undefined
  void worker.terminate()
}

const IN_WORDS = {
  running: '',
  idle: '\n    (its event loop waits)',
  'blocked-native': '\n    (in native code, which cannot be looked into)',
}

/** Gives an error the stack of a thread for its own: where the thread was, instead of where that was noticed. */
export function withStack<E extends Error>(error: E, { state, frames }: ThreadStack): E {
  const lines = frames.map((frame) => `\n    at ${frame.function} (${frame.url}:${frame.line}:${frame.column})`)
  error.stack = `${error.name}: ${error.message}${lines.join('')}${IN_WORDS[state]}`
  return error
}
