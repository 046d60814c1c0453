/** The filter of jobs: a text, the states with their numbers, and what is filtered by as chips. */
import { useSignal } from '@preact/signals'
import { useEffect, useId } from 'preact/hooks'
import { jobCounts } from '../../state/overview.ts'
import { services } from '../../state/services.ts'
import { count } from '../../ui/format.ts'
import { FILTER_NAMES, filterText, type JobFilter, parseFilter, STATES } from './job-filter.ts'

interface FilterBarProps {
  filter: JobFilter
  onChange: (filter: JobFilter) => void
}

export function FilterBar({ filter, onChange }: FilterBarProps) {
  const id = useId()
  const text = useSignal(filterText(filter))
  const problem = useSignal<string | undefined>(undefined)
  const shown = filterText(filter)
  useEffect(() => {
    text.value = shown
    problem.value = undefined
  }, [shown])
  const apply = () => {
    const parsed = parseFilter(text.value)
    problem.value = parsed.problem
    if (parsed.problem === undefined) onChange(parsed.filter)
  }
  const without = (name: keyof JobFilter) => {
    const { [name]: _left, ...rest } = filter
    onChange(rest)
  }
  const { total, items } = jobCounts.value ?? {}
  const numbers = filter.service === undefined ? total : items?.find((one) => one.service === filter.service)?.counts
  return (
    <>
      <div class="toolbar">
        <input
          type="search"
          class="filter-text"
          aria-label="Filter"
          aria-describedby={`${id}-problem`}
          aria-invalid={problem.value !== undefined}
          placeholder="state:failed service:primes since:1h  /"
          list={`${id}-words`}
          value={text.value}
          onInput={({ currentTarget }) => {
            text.value = currentTarget.value
            if (currentTarget.value === '') apply()
          }}
          onChange={apply}
          onKeyDown={(event) => {
            if (event.key === 'Enter') apply()
            if (event.key === 'Escape') event.currentTarget.blur()
          }}
        />
        <datalist id={`${id}-words`}>
          {wordsFor(text.value).map((word) => (
            <option key={word} value={word} />
          ))}
        </datalist>
        <div class="chips" role="group" aria-label="State">
          <button type="button" aria-pressed={filter.state === undefined} onClick={() => without('state')}>
            All
          </button>
          {STATES.map((state) => (
            <button
              key={state}
              type="button"
              aria-pressed={filter.state === state}
              onClick={() => (filter.state === state ? without('state') : onChange({ ...filter, state }))}
            >
              {state}{' '}
              {total !== undefined && (
                <span class={`number${state === 'failed' && numbers?.failed ? ' bad' : ''}`}>
                  {count(numbers?.[state] ?? 0)}
                </span>
              )}
            </button>
          ))}
        </div>
        {FILTER_NAMES.filter((name) => name !== 'state' && filter[name] !== undefined).map((name) => (
          <button
            key={name}
            type="button"
            class="filter-chip"
            onClick={() => without(name)}
            aria-label={`Do not filter by ${name}`}
          >
            <span class="dim">{name}</span> {filter[name]} <span aria-hidden="true">×</span>
          </button>
        ))}
      </div>
      <p id={`${id}-problem`} class="filter-problem bad" role="status">
        {problem.value}
      </p>
    </>
  )
}

/** Suggestions for the last word of the text. */
function wordsFor(text: string): string[] {
  const words = text.split(' ')
  const last = words.pop() ?? ''
  const before = words.map((word) => `${word} `).join('')
  const names = (services.value ?? []).slice(0, 200).map(({ name }) => `service:${name}`)
  const all = [...STATES.map((state) => `state:${state}`), ...names, 'since:15m', 'since:1h', 'since:24h', 'since:7d']
  return all.filter((word) => word.startsWith(last) && word !== last).map((word) => before + word)
}
