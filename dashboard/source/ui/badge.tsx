/** A state in a word with a mark before it: colour is never the only sign. */
import type { JobState, ServiceState } from '../../../src/contract/states.ts'

type Tone = 'good' | 'bad' | 'warn' | 'info' | 'off'

const MARKS = {
  running: ['good', '●'],
  starting: ['info', '◔'],
  paused: ['warn', '‖'],
  stopping: ['off', '◕'],
  stopped: ['off', '○'],
  crashed: ['bad', '✕'],
  backoff: ['warn', '⟳'],
  failed: ['bad', '✕'],
  scheduled: ['off', '◷'],
  queued: ['info', '○'],
  succeeded: ['good', '✓'],
  cancelled: ['off', '–'],
  expired: ['warn', '◷'],
} as const satisfies Record<ServiceState | JobState, [Tone, string]>

export function StateBadge({ state }: { state: string }) {
  const [tone, mark] = Object.hasOwn(MARKS, state) ? MARKS[state as keyof typeof MARKS] : (['off', '·'] as const)
  return (
    <span class={`state ${tone}`}>
      <span class="mark" aria-hidden="true">
        {mark}
      </span>
      {state}
    </span>
  )
}

export function Badge({ tone = 'off', children }: { tone?: Tone; children: string | number }) {
  return <span class={`badge ${tone}`}>{children}</span>
}
