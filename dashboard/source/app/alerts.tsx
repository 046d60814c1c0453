/** The strip of what needs somebody: services in trouble, a journal that cannot be written. */
import { toProblem } from '../api/request.ts'
import { href } from '../router/router.ts'
import { now } from '../state/now.ts'
import { overviewError } from '../state/overview.ts'
import { act, whyNot } from '../state/service-actions.tsx'
import { type Service, troubled } from '../state/services.ts'
import { Button } from '../ui/button.tsx'
import { ago, plural } from '../ui/format.ts'
import { Icon } from '../ui/icon.tsx'

export function Alerts() {
  const all = troubled.value
  const worst = all.find(({ phase }) => phase.value.state === 'failed') ?? all[0]
  return (
    <>
      <Journal />
      {worst && <Trouble service={worst} others={all.length - 1} />}
    </>
  )
}

function Journal() {
  const error = overviewError.value
  if (error === undefined || toProblem(error).code !== 'JOURNAL_UNAVAILABLE') return null
  return (
    <div class="strip bad" role="alert">
      <Icon name="alert" />
      <p>
        <strong>The journal is not available.</strong> Casts are refused, and jobs do not run. Calls go on.
      </p>
      <a class="button plain" href={href('/system')}>
        System
      </a>
    </div>
  )
}

function Trouble({ service, others }: { service: Service; others: number }) {
  const { state, nextStartAt, reason } = service.phase.value
  const { remaining } = service.restarts.value
  const { ready } = service.threads.value
  const here = `/services/${encodeURIComponent(service.name)}`
  return (
    <div class={`strip ${state === 'failed' ? 'bad' : 'warn'}`} role="status">
      <Icon name="alert" />
      <p>
        <a href={href(here)}>
          <strong>{service.name}</strong>
        </a>{' '}
        {state === 'failed'
          ? 'has given up'
          : `gives up after ${plural(remaining + 1, 'more crash').replace('crashs', 'crashes')}`}
        {nextStartAt !== null && `, starts ${ago(nextStartAt, now.value)}`}
        {reason !== null && <span class="reason">: {reason}</span>}
        {others > 0 && (
          <>
            {' · '}
            <a href={href('/?state=trouble')}>{plural(others, 'other service')} in trouble</a>
          </>
        )}
      </p>
      {ready > 0 && (
        <a class="button plain" href={href(`${here}?tab=threads`)}>
          Stack
        </a>
      )}
      <a class="button plain" href={href(`${here}?tab=logs`)}>
        Logs
      </a>
      <Button
        scope="operate"
        service={service.name}
        icon="play"
        disabled={whyNot('start', service)}
        onClick={() => act('start', service)}
      >
        Start now
      </Button>
    </div>
  )
}
