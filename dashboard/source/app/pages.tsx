/** Which page an address shows. Each page is loaded when it is opened first. */
import { Component, type ComponentChildren, type VNode } from 'preact'
import { useEffect } from 'preact/hooks'
import { path } from '../router/router.ts'
import { Empty } from '../ui/empty.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'
import { lazy } from './lazy.tsx'

const Services = lazy(async () => (await import('../pages/services.tsx')).ServicesPage)
const Service = lazy(async () => (await import('../pages/service.tsx')).ServicePage)
const Jobs = lazy(async () => (await import('../pages/jobs.tsx')).JobsPage)
const Job = lazy(async () => (await import('../pages/job.tsx')).JobPage)
const Failures = lazy(async () => (await import('../pages/failures.tsx')).FailuresPage)
const Schedules = lazy(async () => (await import('../pages/schedules.tsx')).SchedulesPage)
const Activity = lazy(async () => (await import('../pages/activity.tsx')).ActivityPage)
const System = lazy(async () => (await import('../pages/system.tsx')).SystemPage)

type Parts = Record<string, string>

const PAGES: [pattern: RegExp, title: string, show: (parts: Parts) => VNode][] = [
  [/^\/(services)?$/, 'Services', () => <Services />],
  [/^\/services\/(?<name>[^/]+)$/, 'Service', ({ name = '' }) => <Service name={name} />],
  [/^\/jobs$/, 'Jobs', () => <Jobs />],
  [/^\/jobs\/(?<id>[^/]+)$/, 'Job', ({ id = '' }) => <Job id={id} />],
  [/^\/failures$/, 'Failures', () => <Failures />],
  [/^\/schedules$/, 'Schedules', () => <Schedules />],
  [/^\/activity$/, 'Activity', () => <Activity />],
  [/^\/system$/, 'System', () => <System />],
]

/** Shows an error of a page in its place, and leaves the rest of the page alone. */
class Boundary extends Component<{ children: ComponentChildren }, { error?: unknown }> {
  override state: { error?: unknown } = {}

  static override getDerivedStateFromError(error: unknown) {
    return { error }
  }

  override render() {
    const { error } = this.state
    return error === undefined ? this.props.children : <ProblemBox error={error} onRetry={() => location.reload()} />
  }
}

export function Page() {
  const at = path.value.replace(/(?<=.)\/$/, '')
  const [found] = PAGES.flatMap(([pattern, title, show]) => {
    const match = pattern.exec(at)
    if (match === null) return []
    const parts = Object.entries(match.groups ?? {}).map(([key, text]) => [key, decode(text)])
    return [{ show, title, parts: Object.fromEntries(parts) as Parts }]
  })
  const [subject] = Object.values(found?.parts ?? {})
  const title = `${subject ?? found?.title ?? 'Not found'} · threadplane`
  useEffect(() => {
    document.title = title
  }, [title])
  if (found === undefined) return <Empty title="There is no such page">{at}</Empty>
  return <Boundary key={at}>{found.show(found.parts)}</Boundary>
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
