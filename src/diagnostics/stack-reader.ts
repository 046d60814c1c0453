/**
 * Reads the JavaScript stack of a running worker thread of this process, from outside, also while the thread hangs.
 *
 * An inspector message interrupts the JavaScript that a thread runs. So an expression that throws is evaluated on top
 * of the thread's stack, and V8 reports from where it was thrown. The thread is not paused. If its event loop waits,
 * the stack below the expression is empty. If it is in native code, it does not answer.
 *
 * 1. `Debugger.pause` would tell the same, but first it sends every script: 0.2 to 0.9 s, where this takes 1 to 40 ms.
 *    With a stack of 7,000 frames it never answered.
 * 2. The inspector is used in a thread of its own (`stack-reader-entry.ts`). In the control thread, its callback for an
 *    attached thread could run the end of another thread while Node iterates over its list of threads: the process
 *    aborts.
 */
import { Worker } from 'node:worker_threads'
import type { ThreadStack } from '../contract/stack.ts'

/** How long the reader thread is kept after a read, in milliseconds: under load, a new one takes a while to start. */
const KEEP_THREAD_MS = 2_000
/** The reader thread answers within a second if it gets any processor time. After this long it is terminated. */
const TIMEOUT_MS = 5_000

type Stacks = Map<number, ThreadStack>

/** Reads follow one another. All threads that are asked for while one read runs are read together in the next. */
class StackReader {
  #thread: Worker | undefined
  #idleTimer: NodeJS.Timeout | undefined
  /** Settles when the present read has ended. */
  #present: Promise<unknown> = Promise.resolve()
  #next: { threadIds: Set<number>; stacks: Promise<Stacks> } | undefined

  /** `undefined` if no such thread runs. Takes at most about a second, after the read that is under way. */
  async read(threadId: number): Promise<ThreadStack | undefined> {
    this.#next ??= this.#scheduleRead()
    this.#next.threadIds.add(threadId)
    const stacks = await this.#next.stacks
    return stacks.get(threadId)
  }

  #scheduleRead(): { threadIds: Set<number>; stacks: Promise<Stacks> } {
    const threadIds = new Set<number>()
    const stacks = this.#present.then(() => {
      this.#next = undefined
      return this.#ask([...threadIds])
    })
    this.#present = stacks
    return { threadIds, stacks }
  }

  async #ask(threadIds: number[]): Promise<Stacks> {
    clearTimeout(this.#idleTimer)
    this.#thread ??= this.#startThread()
    const thread = this.#thread
    const timeout = setTimeout(() => this.#endThread(thread), TIMEOUT_MS)
    const stacks = await new Promise<Stacks>((resolve) => {
      const finish = (answer: Stacks) => {
        thread.off('message', finish)
        thread.off('exit', onExit)
        resolve(answer)
      }
      const onExit = () => finish(new Map())
      thread.on('message', finish)
      thread.on('exit', onExit)
      thread.postMessage(threadIds)
    })
    clearTimeout(timeout)
    this.#idleTimer = setTimeout(() => this.#endThread(thread), KEEP_THREAD_MS).unref()
    return stacks
  }

  #startThread(): Worker {
    const thread = new Worker(new URL('../diagnostics/stack-reader-entry.js', import.meta.url), {
      name: 'stack reader',
    })
    thread.unref()
    // An error is followed by 'exit', which ends the read.
    thread.on('error', () => {})
    thread.on('exit', () => this.#endThread(thread))
    return thread
  }

  #endThread(thread: Worker): void {
    if (this.#thread === thread) this.#thread = undefined
    void thread.terminate()
  }

  /**
   * Ends the reader thread now. Call it when no thread is left to read: an unused one would end by itself after 2 s.
   */
  end(): void {
    if (this.#thread !== undefined) this.#endThread(this.#thread)
  }
}

/** The one of this process, as the inspector attaches to all threads of the process at once. */
export const stackReader = new StackReader()
