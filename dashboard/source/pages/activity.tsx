/** What happens, as it happens; and the audit: who changed what, and who was refused. */
import { href, path, query } from '../router/router.ts'
import { AuditTable } from './activity/audit-table.tsx'
import { EventFeed } from './activity/event-feed.tsx'

export function ActivityPage() {
  const tab = query.value.get('tab') === 'audit' ? 'audit' : 'events'
  return (
    <>
      <h1 class="sr-only">Activity</h1>
      <nav class="tabs" aria-label="Parts of the activity">
        <a href={href(path.value)} aria-current={tab === 'events' ? 'page' : undefined}>
          Events
        </a>
        <a href={href(`${path.value}?tab=audit`)} aria-current={tab === 'audit' ? 'page' : undefined}>
          Audit
        </a>
      </nav>
      {tab === 'events' ? <EventFeed /> : <AuditTable />}
    </>
  )
}
