/** What is done here with the events of other nodes: they go to the streams of this server, beside its own. */
import type { ServiceStats } from '../../routes/shared/service-stats.ts'
import type { PeerEventSink } from '../cluster/peer-events.ts'
import type { AuditRow } from '../contract/audit.ts'
import type { EventLog } from '../events/event-log.ts'
import type { EventStreams } from '../events/event-streams.ts'
import type { ForeignLine, LogBook } from '../events/log-book.ts'

interface Receivers {
  events: EventLog
  book: LogBook
  streams: EventStreams
  stats: ServiceStats
}

export function foreignEvents({ events, book, streams, stats }: Receivers): PeerEventSink {
  /** Nodes that have told that they close. */
  const closing = new Set<string>()
  const gap = (node: string, { types = [], lost = null }: { types?: string[]; lost?: number | null }) => {
    const { cursor } = events
    streams.tell('gap', { from: cursor, to: cursor, reason: 'node', node, types, lost })
  }
  return {
    begins: (kind) => {
      if (kind === 'control' || kind === 'jobs') events.mergesFromNow(kind)
      if (kind === 'log') book.mergesFromNow()
    },
    event: (event, { id: origin, name: node }) => {
      const { id: _id, type, at, ...facts } = event
      if (type === 'server.closing') closing.add(origin)
      if (type === 'log') book.adopt(facts.line as ForeignLine, origin)
      else if (type === 'audit') streams.audited({ ...facts, node, at: Date.parse(at) } as unknown as AuditRow, origin)
      else if (type === 'stats') stats.heard(origin, facts.services as never)
      else if (type === 'jobs.skipped') streams.tell(type, { ...facts, node })
      else events.adopt({ ...event, node }, origin)
    },
    gap: (facts, { name }) => gap(name, facts),
    left: ({ id, name }) => {
      stats.forget(id)
      // What it had not sent is lost, unless it has said its last word.
      if (!closing.delete(id)) gap(name, {})
    },
  }
}
