/**
 * What all tabs want together. Each tab says which types of events it shows and whether it is in sight; `stats` are asked
 * for only while a tab that wants them is in sight.
 */
export interface TabWants {
  types: readonly string[]
  hidden: boolean
}

export function typesOf(tabs: Iterable<TabWants>): string[] {
  const types = new Set<string>()
  for (const { types: wanted, hidden } of tabs) {
    for (const type of wanted) if (!hidden || type !== 'stats') types.add(type)
  }
  return [...types].sort()
}

/** From a tab to the worker, or to the tab that leads. */
export type TabMessage = ({ kind: 'wants'; tab: string } & TabWants) | { kind: 'bye'; tab: string } | { kind: 'retry' }

/** To the worker only: the tab holds its lock until it ends, also by a crash. */
export interface TabHolds {
  kind: 'holds'
  tab: string
}

/** Name of the lock that a tab holds. */
export function lockOf(tab: string): string {
  return `threadplane-tab-${tab}`
}
