/**
 * Events of the server, those that it has kept and those to come. While somebody reads further down, new ones wait behind a
 * button, so that nothing moves under the pointer.
 */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get } from '../../api/request.ts'
import { useEvents } from '../../live/bus.ts'
import type { LiveEvent } from '../../live/live-event.ts'
import { query, setQuery } from '../../router/router.ts'
import { useResource } from '../../state/resource.ts'
import { Empty } from '../../ui/empty.tsx'
import { ProblemBox } from '../../ui/problem-box.tsx'
import { EventList } from './event-list.tsx'
import { serviceOfEvent, textOf } from './event-text.ts'

const KINDS = {
  all: { title: 'All', types: ['service.*', 'thread.*', 'schedule.*', 'server.*', 'job.failed'] },
  services: { title: 'Services', types: ['service.*'] },
  threads: { title: 'Threads', types: ['thread.*'] },
  crashes: { title: 'Crashes', types: ['thread.crashed', 'thread.stuck', 'service.reload_failed'] },
  schedules: { title: 'Schedules', types: ['schedule.*'] },
  jobs: { title: 'Failed jobs', types: ['job.failed'] },
} as const
type Kind = keyof typeof KINDS

const MAX_EVENTS = 1_000
const FIRST_SHOWN = 100
/** How far down still counts as the top, in pixels. */
const AT_TOP_PX = 160

export function EventFeed() {
  const asked = query.value.get('kind') ?? 'all'
  const kind = (Object.hasOwn(KINDS, asked) ? asked : 'all') as Kind
  const service = query.value.get('service') ?? ''
  const text = (query.value.get('q') ?? '').toLowerCase()
  const types = KINDS[kind].types
  const waiting = useSignal<readonly LiveEvent[]>([])
  const shown = useSignal(FIRST_SHOWN)
  const events = useResource(
    (signal) =>
      get<{ items: LiveEvent[] }>('/v1/events', {
        query: { type: types.join(), service },
        headers: { accept: 'application/json' },
        signal,
      }).then(({ items }) => items.slice(-MAX_EVENTS).toReversed()),
    [kind, service],
  )
  useEffect(() => {
    waiting.value = []
  }, [kind, service])
  const showWaiting = () => {
    const added = waiting.value
    waiting.value = []
    events.change((items) => [...added, ...items].slice(0, MAX_EVENTS))
  }
  useEvents(
    types,
    (event) => {
      if (service !== '' && serviceOfEvent(event) !== service) return
      if (scrollY > AT_TOP_PX) waiting.value = [event, ...waiting.value].slice(0, MAX_EVENTS)
      else events.change((items) => [event, ...items].slice(0, MAX_EVENTS))
    },
    () => void events.reload(),
  )
  const all = (events.data.value ?? []).filter(
    (event) =>
      text === '' ||
      JSON.stringify([serviceOfEvent(event), textOf(event)])
        .toLowerCase()
        .includes(text),
  )
  return (
    <>
      <div class="toolbar">
        <input
          type="search"
          aria-label="Events that contain"
          placeholder="Events that contain…  /"
          value={query.value.get('q') ?? ''}
          onInput={(event) => setQuery({ q: event.currentTarget.value })}
        />
        <div class="chips" role="group" aria-label="Kinds of events">
          {Object.entries(KINDS).map(([name, { title }]) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === kind}
              onClick={() => setQuery({ kind: name === 'all' ? undefined : name })}
            >
              {title}
            </button>
          ))}
          {service !== '' && (
            <button type="button" aria-pressed="true" onClick={() => setQuery({ service: undefined })}>
              {service} ✕
            </button>
          )}
        </div>
      </div>
      {waiting.value.length > 0 && (
        <button
          type="button"
          class="newer-events"
          onClick={() => {
            showWaiting()
            scrollTo(0, 0)
          }}
        >
          ↑ {waiting.value.length} new
        </button>
      )}
      {events.error.value !== undefined && <ProblemBox error={events.error.value} onRetry={events.reload} />}
      {events.data.value !== undefined &&
        (all.length === 0 ? (
          <Empty title="No events">
            <p>Those to come appear here. The server keeps the last 10,000 since its start.</p>
          </Empty>
        ) : (
          <EventList events={all.slice(0, shown.value)} showService />
        ))}
      {all.length > shown.value && (
        <button type="button" class="link more" onClick={() => (shown.value += FIRST_SHOWN)}>
          Show more of {all.length}
        </button>
      )}
    </>
  )
}
