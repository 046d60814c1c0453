/**
 * Records a CPU profile, allocations or a heap snapshot of a running worker thread of this process, from outside, also
 * while the thread hangs: an inspector message interrupts its JavaScript (see `stack-reader.ts`).
 *
 * Each recording has a thread of its own (`profiler-entry.ts`), which ends with it. The result goes to a file: it may be as
 * large as the heap, and the client may read it slowly.
 */
import { Worker } from 'node:worker_threads'
import { type ProfileOutcome, type ProfileRequest, SNAPSHOT_WITHIN_MS } from '../contract/profile.ts'

/** A recording takes at most so much longer than it was told to: to start, to stop, and to be written. */
const MARGIN_MS = 30_000

/** The longest time that a recording takes, whatever the thread does. */
export function longestMs(request: ProfileRequest): number {
  return request.kind === 'heap-snapshot' ? SNAPSHOT_WITHIN_MS : request.seconds * 1_000 + MARGIN_MS
}

/** Resolves when the recording has ended. `signal` ends it early: the file then has what was recorded until then. */
export function recordProfile(threadId: number, request: ProfileRequest, signal: AbortSignal): Promise<ProfileOutcome> {
  const recorder = new Worker(new URL('../diagnostics/profiler-entry.js', import.meta.url), {
    name: 'profiler',
    workerData: { threadId, request },
  })
  const end = () => recorder.postMessage('end')
  if (signal.aborted) end()
  signal.addEventListener('abort', end)
  return new Promise<ProfileOutcome>((resolve) => {
    const deadline = setTimeout(() => finish({ kind: 'blocked-native' }), longestMs(request))
    let isOver = false
    const finish = (outcome: ProfileOutcome) => {
      // Its end, which is asked for here, is no outcome any more.
      if (isOver) return
      isOver = true
      clearTimeout(deadline)
      signal.removeEventListener('abort', end)
      // Its end detaches the inspector. A second profile of the thread must not begin before that.
      recorder.terminate().then(
        () => resolve(outcome),
        () => resolve(outcome),
      )
    }
    recorder.once('message', finish)
    recorder.once('error', (error) => finish({ kind: 'failed', why: error.message }))
    recorder.once('exit', () => finish({ kind: 'failed', why: 'the thread that records has ended' }))
  })
}
