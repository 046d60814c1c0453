/** How a service is crashed on purpose: a part of the question before it. */
import { signal } from '@preact/signals'
import type { CrashKind } from '../../../src/contract/crash-kind.ts'

const KINDS: Record<CrashKind, string> = {
  exception: 'A thread throws an exception',
  exit: 'A thread calls process.exit()',
  hang: 'A thread loops for ever, up to 10 s',
  oom: 'A thread uses up its memory',
}

/** What was chosen last. */
export const crashKind = signal<CrashKind>('exception')

/** @param load what happens to what runs  @param budget how many restarts are left */
export function CrashQuestion({ load, budget }: { load: string; budget: string }) {
  return (
    <div class="crash-question">
      <label>
        How{' '}
        <select
          value={crashKind.value}
          onChange={({ currentTarget }) => {
            crashKind.value = currentTarget.value as CrashKind
          }}
        >
          {Object.entries(KINDS).map(([kind, text]) => (
            <option key={kind} value={kind}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <p>
        {load} It uses one restart of the budget: {budget}.
      </p>
    </div>
  )
}
