/**
 * How often the control side looks at a thread, and how long it waits for one, where that is no option of a service. A
 * seam for tests: the code reads a value each time it needs it, a test sets a shorter one and restores it. Nothing else
 * changes one, except `dev --inspect` for threads that stand at a breakpoint. The package does not export it.
 */
import type { CrashKind } from '../contract/crash-kind.ts'
import { HEARTBEAT_EVERY_MS } from '../protocol/heartbeat.ts'

/** All in milliseconds. */
export const timings = {
  /** A started thread counts its heartbeat so often: more often than the control side checks it. */
  heartbeatEveryMs: HEARTBEAT_EVERY_MS,
  /** The control side checks the heartbeat so often. Source: mode/threads.py ServiceThread._keepalive2 */
  checkEveryMs: 1_100,
  /**
   * A thread without a heartbeat for so long is reported as not responding, and gets no more methods. Source: the same
   */
  unresponsiveAfterMs: 3_000,
  /**
   * With the event loop blocked this long, other methods cannot finish either: the thread of an overdue method is
   * ended.
   */
  blockedAfterMs: 5_000,
  /** A method is aborted at its deadline, and its thread may go on for at least so long, or for `cancelGraceMs`. */
  leastCancelGraceMs: 0,
  /** A thread whose event loop turns, that runs nothing, and begins nothing that it was handed for so long, is ended. */
  beginWithinMs: 5_000,
  /** Longest turn of a start, see start-line.ts. A thread without much to load starts in a fifth of it. */
  startTurnMs: 1_000,
  /** Longest wait for the stack of a process, which reads it within a second. */
  processStackTimeoutMs: 3_000,
  /** Longest wait for the stack of a thread before its termination. The stack is for the log only. */
  stackTimeoutMs: 250,
  /**
   * A thread that was told to crash and still lives after so long is terminated. To fill a heap takes time, and a hang
   * is meant to be observed for a while.
   */
  crashTimeoutMs: { exception: 1_000, exit: 1_000, oom: 10_000, hang: 10_000 } satisfies Record<CrashKind, number>,
  /**
   * Longest wait for the end of a terminated thread, which is reported as stuck after that: native code cannot be
   * interrupted. More than `killAfterMs` and `readTimeoutMs` together, or a process would be reported too.
   */
  terminateTimeoutMs: 2_000,
  /** A process that was told to terminate its thread and still lives after so long is killed. */
  killAfterMs: 1_000,
  /** Longest wait for the last messages of a process that has ended. */
  readTimeoutMs: 500,
  /** Longest wait of a replacement for the end of the thread it replaces. */
  endBeforeStartMs: 500,
  /** The least that `onThreadStop` gets, where draining the queue took all of `shutdownTimeoutMs`. */
  minStopTimeoutMs: 100,
}
