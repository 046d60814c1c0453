/**
 * The phases of a registered service: one union, and one table of which phase may follow which. Pure.
 *
 * A phase owns what belongs to it: the operation that is under way, why the service failed, the replacement that is
 * being started. A service's `PhaseMachine` is the only one that enters a phase.
 */
import type { ServiceState } from '../contract/states.ts'

/** The states of a service's threads, taken together. */
export type ThreadSetHealth = 'running' | 'starting' | 'backoff' | 'failed' | 'crashed' | 'stopped'

export interface Starting {
  kind: 'starting'
  /** Leave the service stopped where its options say so. A caller who joins the start may want more: then false. */
  onlyIfAutostart: boolean
  /** False: the service was left stopped. */
  operation: Promise<boolean>
  /** The id of the token that asked for it. */
  by: string | undefined
}

export interface Replacement {
  /** Resolves when the replacement has ended, whether it took over or not. It never rejects. */
  operation: Promise<void>
  /** True from the moment its registration is being written: then a stop waits for it instead of ending it. */
  committed: boolean
}

export interface Stopping {
  kind: 'stopping'
  operation: Promise<void>
  /** True while methods that were queued before the stop are run. */
  draining: boolean
  /** The phase after it. */
  next: 'stopped' | 'removed'
  /** The id of the token that asked for it. */
  by: string | undefined
}

/** A service that has threads, or is about to have some: another version may replace what runs. */
export type LivePhase =
  | Starting
  /** Whether it is paused is a flag of its method queue, the one that pausing is about. */
  | { kind: 'serving' }
  /** Its threads have crashed, and the supervisor restarts them. Between the two the service is never `stopped`. */
  | { kind: 'recovering'; recovery: 'backoff' | 'restarting' }
  /** The supervisor has given up, or something that it depends on does not run: that is the `reason`. */
  | { kind: 'failed'; reason: Error | undefined }

export type Phase =
  | { kind: 'stopped' }
  | LivePhase
  /** Another version, or more threads, start beside the present ones, whose phase goes on meanwhile. */
  | { kind: 'replacing'; over: LivePhase; replacement: Replacement }
  | Stopping
  /** Deleted: it never starts again. */
  | { kind: 'removed' }

const NEXT: Record<Phase['kind'], readonly Phase['kind'][]> = {
  stopped: ['starting', 'removed'],
  starting: ['serving', 'recovering', 'failed', 'stopped', 'replacing', 'stopping'],
  serving: ['recovering', 'failed', 'replacing', 'stopping'],
  recovering: ['recovering', 'serving', 'failed', 'starting', 'replacing', 'stopping'],
  failed: ['starting', 'serving', 'recovering', 'replacing', 'stopping'],
  replacing: ['starting', 'serving', 'recovering', 'failed', 'stopped', 'stopping'],
  stopping: ['stopped', 'removed'],
  removed: [],
}

/** The live phase of a service, also while another version is started beside it. */
export function liveOf(phase: Phase): LivePhase | undefined {
  if (phase.kind === 'replacing') return phase.over
  return phase.kind === 'stopped' || phase.kind === 'stopping' || phase.kind === 'removed' ? undefined : phase
}

/** The token that asked for a step: for the operation that begins with it, or else for the one that ends with it. */
export function callerOf(from: Phase, to: Phase): string | undefined {
  const [before, after] = [liveOf(from) ?? from, liveOf(to) ?? to]
  if (after.kind === 'starting' || after.kind === 'stopping') return after.by
  return before.kind === 'starting' || before.kind === 'stopping' ? before.by : undefined
}

/** Is this step in the table? While replacing, the phase below takes its own steps. */
export function mayFollow(from: Phase, to: Phase): boolean {
  if (from.kind !== 'replacing' || to.kind !== 'replacing') return NEXT[from.kind].includes(to.kind)
  return NEXT[from.over.kind].includes(to.over.kind)
}

/**
 * The live phase that the states of the threads call for.
 * @param reason why the service failed, where it has no thread that could tell
 */
export function livePhase(present: LivePhase, health: ThreadSetHealth, reason?: Error): LivePhase {
  switch (health) {
    case 'running':
      return present.kind === 'serving' ? present : { kind: 'serving' }
    case 'failed':
      return present.kind === 'failed' ? present : { kind: 'failed', reason: undefined }
    case 'backoff':
      return recovering(present, 'backoff')
    case 'starting':
      return recovering(present, 'restarting')
    case 'stopped':
      // None could be started; or a supervisor has stopped the threads that it restarts.
      if (present.kind === 'starting') return { kind: 'failed', reason }
      return present.kind === 'failed' ? present : recovering(present, 'restarting')
    case 'crashed':
      // The supervisor decides next, in the same turn of the event loop, and its decision is another change.
      return present.kind === 'starting' ? recovering(present, 'restarting') : present
  }
}

function recovering(present: LivePhase, recovery: 'backoff' | 'restarting'): LivePhase {
  return present.kind === 'recovering' && present.recovery === recovery ? present : { kind: 'recovering', recovery }
}

/** What clients see. */
export function stateOf(phase: Phase, paused: boolean): ServiceState {
  switch (phase.kind) {
    case 'replacing':
      return stateOf(phase.over, paused)
    case 'serving':
      return paused ? 'paused' : 'running'
    case 'recovering':
      return phase.recovery === 'backoff' ? 'backoff' : 'starting'
    case 'removed':
      return 'stopped'
    default:
      return phase.kind
  }
}
