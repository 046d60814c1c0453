/** What the server reports to the launcher, which logs it if the server dies. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerMessage } from '../contract/server-message.ts'
import type { Registry } from '../registry/registry.ts'

/** Resolves once the message is sent. */
export type Report = (message: ServerMessage) => Promise<void>

/** The shortest time between two reports of the services. */
const REPORT_EVERY_MS = 100
/** Services that are named in a report and in the log; the others are only counted. */
const MAX_NAMED = 100

/** The services and their states as text, for a person. */
export function statesOf({ services }: Registry): string {
  const named = services.slice(0, MAX_NAMED).map(({ name, state }) => `${name} ${state}`)
  if (services.length > MAX_NAMED) named.push(`and ${services.length - MAX_NAMED} more`)
  return named.join(', ') || 'none'
}

/**
 * Reports the states of all services after each change, for ever. It waits until a report is sent before it makes the
 * next one, so reports do not pile up in front of a launcher that does not read them (P5).
 */
export async function reportServices(registry: Registry, report: Report): Promise<void> {
  for (;;) {
    const changed = once(registry, 'state')
    await report({ type: 'services', states: statesOf(registry) })
    await changed
    await sleep(REPORT_EVERY_MS, undefined, { ref: false })
  }
}
