/**
 * Events of the server within this tab. A part of the page names the types that it wants while it is shown; the stream
 * asks the server for what all parts together want. After a gap the listeners are told to read their lists again.
 */
import { signal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { LiveEvent } from './live-event.ts'

interface Listener {
  types: readonly string[]
  onEvent: (event: LiveEvent) => void
  /** Events may have been missed: read again what is shown. */
  onGap: (() => void) | undefined
}

const listeners = new Set<Listener>()

/** The types that somebody wants, sorted: `job.*`, `log`, `service.*`. */
export const wantedTypes = signal<readonly string[]>([])

/** @param types as in `GET /v1/events?type=`: `service.state`, `job.*`, `stats` */
export function listen(types: readonly string[], onEvent: Listener['onEvent'], onGap?: () => void): () => void {
  const listener = { types, onEvent, onGap }
  listeners.add(listener)
  recount()
  return () => {
    listeners.delete(listener)
    recount()
  }
}

/**
 * Listens while the component is shown, from before what it reads can arrive: no event falls between. The functions may
 * change from one drawing to the next.
 */
export function useEvents(types: readonly string[], onEvent: Listener['onEvent'], onGap?: () => void): void {
  const latest = useRef({ onEvent, onGap })
  latest.current = { onEvent, onGap }
  useLayoutEffect(
    () =>
      listen(
        types,
        (event) => latest.current.onEvent(event),
        () => latest.current.onGap?.(),
      ),
    [types.join()],
  )
}

/**
 * For the stream only. `jobs.skipped` says that the server has left out events of jobs: a listener that wants events of jobs,
 * and not this one, is told that it may have missed some.
 */
export function publish(event: LiveEvent): void {
  for (const { types, onEvent, onGap } of listeners) {
    if (types.some((type) => matches(type, event.type))) onEvent(event)
    else if (event.type === 'jobs.skipped' && types.some((type) => type.startsWith('job.'))) onGap?.()
  }
}

/** For the stream only. */
export function publishGap(): void {
  for (const { onGap } of listeners) onGap?.()
}

function recount(): void {
  const next = [...new Set([...listeners].flatMap(({ types }) => types))].sort()
  if (next.join() !== wantedTypes.peek().join()) wantedTypes.value = next
}

function matches(pattern: string, type: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type
}
