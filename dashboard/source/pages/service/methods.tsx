/** The methods of a service, and the one that is chosen, ready to run. */
import type { MethodList } from '../../../../routes/schemas/service.ts'
import type { Static } from '@sinclair/typebox'
import { get } from '../../api/request.ts'
import { MethodRunner } from '../../methods/method-runner.tsx'
import { useEvents } from '../../live/bus.ts'
import { href, path, query } from '../../router/router.ts'
import { useResource } from '../../state/resource.ts'
import { Badge } from '../../ui/badge.tsx'
import { Empty } from '../../ui/empty.tsx'
import { duration, plural } from '../../ui/format.ts'
import { ProblemBox } from '../../ui/problem-box.tsx'

type Methods = Static<typeof MethodList>

interface MethodsTabProps {
  name: string
  state: string
}

export function MethodsTab({ name, state }: MethodsTabProps) {
  const url = `/v1/services/${encodeURIComponent(name)}/methods`
  const methods = useResource((signal) => get<Methods>(url, { signal }), [name])
  useEvents(
    ['service.reloaded', 'service.registered'],
    (event) => 'service' in event && event.service === name && void methods.reload(),
    () => void methods.reload(),
  )
  if (methods.data.value === undefined) {
    if (methods.error.value !== undefined) return <ProblemBox error={methods.error.value} onRetry={methods.reload} />
    return <p class="loading">Loading…</p>
  }
  const { items } = methods.data.value
  if (items.length === 0) {
    return (
      <Empty title="No methods">
        <p>
          {state === 'running'
            ? 'The module has none.'
            : `They are known once the service has started. It is ${state}.`}
        </p>
      </Empty>
    )
  }
  const chosen = items.find((method) => method.name === query.value.get('method')) ?? items[0]
  return (
    <div class="methods">
      <nav aria-label="Methods">
        {items.map((method) => (
          <a
            key={method.name}
            href={href(`${path.value}?tab=methods&method=${encodeURIComponent(method.name)}`)}
            aria-current={method === chosen ? 'true' : undefined}
          >
            <strong>{method.name}</strong>
            {method.streams && <Badge tone="info">stream</Badge>}
            {method.takes !== undefined && <Badge tone="info">bytes</Badge>}
            {method.description && <small>{method.description}</small>}
            <small>
              {duration(method.timeoutMs)} · {plural(method.maxAttempts, 'attempt')}
            </small>
          </a>
        ))}
      </nav>
      {chosen && <MethodRunner key={chosen.name} service={name} method={chosen.name} />}
    </div>
  )
}
