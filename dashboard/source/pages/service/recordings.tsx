/** A profile or a heap snapshot of a thread, as a file; a profile of the processor is drawn too. */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { send } from '../../api/request.ts'
import { lazy } from '../../app/lazy.tsx'
import { saveFile } from '../../json/save-file.ts'
import type { CpuProfile } from '../../profile/profile-view.tsx'
import { now } from '../../state/now.ts'
import { Button } from '../../ui/button.tsx'
import { confirm } from '../../ui/dialog.tsx'
import { bytes } from '../../ui/format.ts'
import { ProblemBox } from '../../ui/problem-box.tsx'
import { notifyError } from '../../ui/toast.tsx'
import type { Thread } from './threads.tsx'

const ProfileView = lazy(async () => (await import('../../profile/profile-view.tsx')).ProfileView)

/** A heap snapshot takes so many times the heap in memory. */
const SNAPSHOT_FACTOR = 2.5
const SECONDS = [1, 5, 10, 30, 60, 120]

interface RecordingProps {
  name: string
  threads: readonly Thread[]
}

export function Profile({ name, threads }: RecordingProps) {
  const kind = useSignal<'cpu' | 'allocations'>('cpu')
  const seconds = useSignal(5)
  const thread = useSignal('')
  const until = useSignal<number | undefined>(undefined)
  const drawn = useSignal<CpuProfile | undefined>(undefined)
  const error = useSignal<unknown>(undefined)
  const running = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => running.current?.abort(), [name])
  const record = async () => {
    const mine = new AbortController()
    running.current = mine
    until.value = Date.now() + seconds.value * 1_000
    error.value = undefined
    try {
      const response = await send('POST', `/v1/services/${encodeURIComponent(name)}/profile`, {
        json: {
          kind: kind.value,
          seconds: seconds.value,
          ...(thread.value !== '' && { thread: Number(thread.value) }),
        },
        signal: mine.signal,
      })
      const blob = await response.blob()
      saveFile(fileNameOf(response), blob)
      drawn.value = kind.value === 'cpu' ? (JSON.parse(await blob.text()) as CpuProfile) : undefined
    } catch (reason) {
      if (!mine.signal.aborted) error.value = reason
    } finally {
      until.value = undefined
    }
  }
  const records = until.value !== undefined
  return (
    <section class="panel">
      <header>
        <h2>Profile</h2>
        <p class="dim">Recorded while the thread works; saved as a file and drawn here.</p>
        <label class="inline">
          Of
          <select value={kind.value} onChange={({ currentTarget: { value } }) => (kind.value = value as 'cpu')}>
            <option value="cpu">processor</option>
            <option value="allocations">allocations</option>
          </select>
        </label>
        <label class="inline">
          for
          <select value={seconds.value} onChange={({ currentTarget: { value } }) => (seconds.value = Number(value))}>
            {SECONDS.map((one) => (
              <option key={one} value={one}>
                {one} s
              </option>
            ))}
          </select>
        </label>
        <ThreadSelect threads={threads} value={thread.value} onChange={(value) => (thread.value = value)} />
        {records ? (
          <Button icon="stop" onClick={() => running.current?.abort()}>
            Stop
          </Button>
        ) : (
          <Button
            scope="profile"
            service={name}
            icon="clock"
            disabled={threads.length === 0 && 'No thread runs'}
            onClick={() => void record()}
          >
            Record
          </Button>
        )}
      </header>
      {records && <Countdown until={until.value as number} />}
      {error.value !== undefined && <ProblemBox error={error.value} />}
      {drawn.value && <ProfileView profile={drawn.value} />}
    </section>
  )
}

function Countdown({ until }: { until: number }) {
  const left = Math.max(0, Math.ceil((until - now.value) / 1_000))
  return <p class="dim">{left > 0 ? `Recording, ${left} s left…` : 'Reading the profile…'}</p>
}

export function Heap({ name, threads }: RecordingProps) {
  const thread = useSignal('')
  const error = useSignal<unknown>(undefined)
  const chosen = threads.find(({ id }) => String(id) === thread.value)
  const largest = Math.max(0, ...(chosen ? [chosen] : threads).map(({ heapUsedBytes }) => heapUsedBytes))
  const take = async (force: boolean) => {
    error.value = undefined
    const isSure = await confirm({
      title: `Take a heap snapshot of ${name}?`,
      text: `The heap has ${bytes(largest)}: the thread stands still while it is written, and needs about ${bytes(largest * SNAPSHOT_FACTOR)} of memory. Calls and jobs that run in it wait meanwhile. The file has all values of the service in it, secrets too.`,
      action: 'Take the snapshot',
      danger: force,
    })
    if (!isSure) return
    try {
      const response = await send('POST', `/v1/services/${encodeURIComponent(name)}/heap-snapshot`, {
        json: { ...(thread.value !== '' && { thread: Number(thread.value) }), ...(force && { force }) },
      })
      saveFile(fileNameOf(response), await response.blob())
    } catch (reason) {
      error.value = reason
      notifyError(`The heap snapshot of ${name} failed`, reason)
    }
  }
  return (
    <section class="panel">
      <header>
        <h2>Heap snapshot</h2>
        <p class="dim">
          For the memory tools of Chrome. The thread stands still meanwhile; about {bytes(largest * SNAPSHOT_FACTOR)} of
          memory.
        </p>
        <ThreadSelect threads={threads} value={thread.value} onChange={(value) => (thread.value = value)} />
        <Button
          scope="heap"
          service={name}
          icon="download"
          disabled={threads.length === 0 && 'No thread runs'}
          onClick={() => take(false)}
        >
          Take
        </Button>
      </header>
      {error.value !== undefined && (
        <>
          <ProblemBox error={error.value} />
          <Button kind="danger" scope="heap" service={name} onClick={() => take(true)}>
            Take it all the same
          </Button>
        </>
      )}
    </section>
  )
}

interface ThreadSelectProps {
  threads: readonly Thread[]
  value: string
  onChange: (value: string) => void
}

function ThreadSelect({ threads, value, onChange }: ThreadSelectProps) {
  if (threads.length < 2) return null
  return (
    <label class="inline">
      of
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">the busiest thread</option>
        {threads.map(({ id }) => (
          <option key={id} value={id}>
            thread #{id}
          </option>
        ))}
      </select>
    </label>
  )
}

function fileNameOf(response: Response): string {
  return /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'profile.json'
}
