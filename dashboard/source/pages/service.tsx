/** One service: its state, what can be done with it, and a tab for each side of it. */
import { useEffect } from 'preact/hooks'
import type { ServiceStatus } from '../../../routes/schemas/service.ts'
import { get } from '../api/request.ts'
import { lazy } from '../app/lazy.tsx'
import { useKeys } from '../keys/keys.ts'
import { useEvents } from '../live/bus.ts'
import { LogView } from '../logs/log-view.tsx'
import { href, path, query, setQuery } from '../router/router.ts'
import { now } from '../state/now.ts'
import { type Resource, useResource } from '../state/resource.ts'
import { act, ACTIONS, type ActionName, whyNot } from '../state/service-actions.tsx'
import { type Service, serviceOf, takeStatus } from '../state/services.ts'
import { StateBadge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { ago } from '../ui/format.ts'
import { Menu } from '../ui/menu.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'
import { ScheduleTable } from './schedules.tsx'
import { OptionsTab } from './service/options.tsx'
import { Overview } from './service/overview.tsx'
import { ThreadsTab } from './service/threads.tsx'
import './service/service.css'

const Methods = lazy(async () => (await import('./service/methods.tsx')).MethodsTab)

const TABS = ['overview', 'methods', 'jobs', 'logs', 'threads', 'schedules', 'options'] as const
type Tab = (typeof TABS)[number]

/** Events after which the status is other. */
const CHANGES = ['service.*', 'thread.*']
const READ_AFTER_MS = 300

export function ServicePage({ name }: { name: string }) {
  const url = `/v1/services/${encodeURIComponent(name)}`
  const status = useResource((signal) => get<ServiceStatus>(url, { signal }), [name])
  const service = serviceOf(name)
  const asked = query.value.get('tab') ?? 'overview'
  const tab: Tab = TABS.find((one) => one === asked) ?? 'overview'
  useReadAgain(name, status)
  useEffect(() => {
    if (status.data.value !== undefined) takeStatus(status.data.value)
  }, [status.data.value])
  const does = (action: ActionName) => service && !whyNot(action, service) && void act(action, service)
  useKeys([
    { key: 'r', label: `Restart ${name}`, run: () => does('restart') },
    {
      key: 'p',
      label: 'Pause or resume',
      run: () => does(service?.phase.value.state === 'paused' ? 'resume' : 'pause'),
    },
    { key: 'c', label: 'Call a method', run: () => setQuery({ tab: 'methods' }, { push: true }) },
    { key: 't', label: 'Threads', run: () => setQuery({ tab: 'threads' }, { push: true }) },
    {
      key: '.',
      label: 'More actions',
      run: () => document.querySelector<HTMLElement>('.service-head .menu button')?.click(),
    },
  ])
  if (status.data.value === undefined) {
    if (status.error.value !== undefined) return <ProblemBox error={status.error.value} onRetry={status.reload} />
    return <p class="loading">Loading…</p>
  }
  const data = status.data.value
  return (
    <>
      <Head name={name} description={data.description} service={service} />
      <nav class="tabs" aria-label={`Parts of ${name}`}>
        {TABS.map((one) => (
          <a
            key={one}
            href={href(
              one === 'jobs'
                ? `/jobs?service=${encodeURIComponent(name)}`
                : path.value + (one === 'overview' ? '' : `?tab=${one}`),
            )}
            aria-current={one === tab ? 'page' : undefined}
          >
            {one}
            {one === 'methods' && <span class="number">{data.methods.length}</span>}
          </a>
        ))}
      </nav>
      {tab === 'overview' && <Overview status={data} service={service} />}
      {tab === 'methods' && <Methods name={name} state={service?.phase.value.state ?? data.state} />}
      {tab === 'logs' && <LogView path={`${url}/logs`} />}
      {tab === 'threads' && <ThreadsTab status={data} />}
      {tab === 'schedules' && <ScheduleTable service={name} />}
      {tab === 'options' && <OptionsTab status={data} onChange={status.reload} />}
    </>
  )
}

/** Reads the status again soon after an event of the service, together with those that come meanwhile. */
function useReadAgain(name: string, status: Resource<ServiceStatus>): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  useEffect(() => () => clearTimeout(timer), [name])
  useEvents(
    CHANGES,
    (event) => {
      if (!('service' in event) || event.service !== name) return
      timer ??= setTimeout(() => {
        timer = undefined
        void status.reload()
      }, READ_AFTER_MS)
    },
    () => void status.reload(),
  )
}

interface HeadProps {
  name: string
  description: string | undefined
  service: Service | undefined
}

function Head({ name, description, service }: HeadProps) {
  return (
    <div class="service-head">
      <div class="title">
        <h1>{name}</h1>
        {service && <Phase service={service} />}
        {description && <p class="dim">{description}</p>}
      </div>
      {service && <Actions service={service} />}
    </div>
  )
}

function Phase({ service }: { service: Service }) {
  const { state, nextStartAt } = service.phase.value
  return (
    <span>
      <StateBadge state={state} />
      {nextStartAt !== null && <span class="dim"> starts {ago(nextStartAt, now.value)}</span>}
    </span>
  )
}

const MAIN: readonly ActionName[] = ['start', 'pause', 'resume', 'restart', 'reload', 'stop']

function Actions({ service }: { service: Service }) {
  const { state } = service.phase.value
  const buttons = MAIN.filter((name) => !whyNot(name, service) && !(name === 'start' && state === 'running'))
  const rest = (['stopNow', 'crash'] as const).map((name) => {
    const { label, note } = ACTIONS[name]
    const run = () => act(name, service)
    return {
      label,
      note,
      run,
      danger: true,
      scope: 'operate',
      service: service.name,
      disabled: whyNot(name, service),
    } as const
  })
  return (
    <div class="actions" role="group" aria-label={`Actions on ${service.name}`}>
      {buttons.map((name) => (
        <Button
          key={name}
          icon={ACTIONS[name].icon}
          kind={name === 'start' || name === 'resume' ? 'primary' : 'plain'}
          scope="operate"
          service={service.name}
          onClick={() => act(name, service)}
        >
          {name === 'start' && state === 'backoff' ? 'Start now' : ACTIONS[name].label}
        </Button>
      ))}
      <Menu icon="more" label="More actions" items={rest} />
    </div>
  )
}
