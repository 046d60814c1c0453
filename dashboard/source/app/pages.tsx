/** Which page an address shows. Each page is loaded when it is opened first. */
import { useSignal } from '@preact/signals'
import { Component, type ComponentChildren, type FunctionComponent } from 'preact'
import { useEffect } from 'preact/hooks'
import { path } from '../router/router.ts'
import { Empty } from '../ui/empty.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'

/** The parts of the address that a page may have. */
type Props = Partial<Record<'name' | 'id', string>>

/** A component that is loaded when it is shown. */
function lazy(load: () => Promise<FunctionComponent<never>>): FunctionComponent<Props> {
  let loaded: FunctionComponent<Props> | undefined
  return function Lazy(props) {
    const version = useSignal(0)
    const failed = useSignal<unknown>(undefined)
    // Read, so that the page is drawn again once it is loaded.
    void version.value
    useEffect(() => {
      if (loaded !== undefined) return
      load().then(
        (component) => {
          loaded = component as FunctionComponent<Props>
          version.value++
        },
        (error: unknown) => {
          failed.value = error
        },
      )
    }, [])
    if (failed.value !== undefined) return <ProblemBox error={failed.value} onRetry={() => location.reload()} />
    const Loaded = loaded
    return Loaded === undefined ? <p class="loading">Loading…</p> : <Loaded {...props} />
  }
}

const Services = lazy(async () => (await import('../pages/services.tsx')).ServicesPage)
const Service = lazy(async () => (await import('../pages/service.tsx')).ServicePage)
const Jobs = lazy(async () => (await import('../pages/jobs.tsx')).JobsPage)
const Job = lazy(async () => (await import('../pages/job.tsx')).JobPage)
const Failures = lazy(async () => (await import('../pages/failures.tsx')).FailuresPage)
const Schedules = lazy(async () => (await import('../pages/schedules.tsx')).SchedulesPage)
const Activity = lazy(async () => (await import('../pages/activity.tsx')).ActivityPage)
const System = lazy(async () => (await import('../pages/system.tsx')).SystemPage)

const PAGES: [pattern: RegExp, title: string, page: FunctionComponent<Props>][] = [
  [/^\/(services)?$/, 'Services', Services],
  [/^\/services\/(?<name>[^/]+)$/, 'Service', Service],
  [/^\/jobs$/, 'Jobs', Jobs],
  [/^\/jobs\/(?<id>[^/]+)$/, 'Job', Job],
  [/^\/failures$/, 'Failures', Failures],
  [/^\/schedules$/, 'Schedules', Schedules],
  [/^\/activity$/, 'Activity', Activity],
  [/^\/system$/, 'System', System],
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
  const [found] = PAGES.flatMap(([pattern, title, Shown]) => {
    const match = pattern.exec(at)
    return match === null ? [] : [{ Shown, title, parts: match.groups ?? {} }]
  })
  const parts = Object.fromEntries(Object.entries(found?.parts ?? {}).map(([key, text]) => [key, decode(text)]))
  const [subject] = Object.values(parts)
  const title = `${subject ?? found?.title ?? 'Not found'} · threadplane`
  useEffect(() => {
    document.title = title
  }, [title])
  if (found === undefined) return <Empty title="There is no such page">{at}</Empty>
  const { Shown } = found
  return (
    <Boundary key={at}>
      <Shown {...parts} />
    </Boundary>
  )
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
