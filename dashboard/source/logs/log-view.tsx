/**
 * A log that follows itself: filters by level, thread and text are in the address. While somebody reads further up, new
 * lines wait behind a button, and nothing jumps.
 */
import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import type { LogLevel } from '../../../src/contract/log.ts'
import type { LogLine } from '../../../src/client/events.ts'
import { href, query, setQuery } from '../router/router.ts'
import { Button } from '../ui/button.tsx'
import { clock, plural } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import { type Entry, LogTail } from './log-tail.ts'
import './logs.css'

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
/** How far from the end still counts as the end, in pixels. */
const AT_END_PX = 24
const SEARCH_WAIT_MS = 250

interface LogViewProps {
  /** The route of the log. */
  path: string
  /** Lines of several services: shows which. */
  showService?: boolean
}

export function LogView({ path, showService = false }: LogViewProps) {
  const level = query.value.get('level') ?? ''
  const search = query.value.get('search') ?? ''
  const thread = query.value.get('thread') ?? ''
  const tail = useMemo(() => new LogTail(path, { level, search, thread }), [path, level, search, thread])
  useEffect(() => () => tail.stop(), [tail])
  const box = useRef<HTMLDivElement>(null)
  const follows = useSignal(true)
  const seen = useRef(0)
  const entries = tail.entries.value
  useLayoutEffect(() => {
    if (follows.value && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [entries, follows.value])
  if (follows.value) seen.current = entries.length
  const added = entries.length - seen.current
  return (
    <section class="log">
      <div class="toolbar">
        <SearchField value={search} />
        <label class="inline">
          Level
          <select value={level} onChange={(event) => setQuery({ level: event.currentTarget.value })}>
            <option value="">all</option>
            {LEVELS.map((one) => (
              <option key={one} value={one}>
                {one} and above
              </option>
            ))}
          </select>
        </label>
        {thread !== '' && (
          <Button icon="close" onClick={() => setQuery({ thread: undefined })}>
            Thread {thread}
          </Button>
        )}
        <span class="dim">{tail.state.value === 'ended' ? 'The log has ended' : plural(entries.length, 'line')}</span>
      </div>
      {tail.error.value !== undefined && <ProblemBox error={tail.error.value} />}
      <div
        ref={box}
        class="log-lines"
        tabIndex={0}
        role="log"
        aria-label="Lines of the log"
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          follows.value = scrollHeight - scrollTop - clientHeight < AT_END_PX
        }}
      >
        {entries.map((entry) => (
          <Line key={entry.id} entry={entry} showService={showService} />
        ))}
        {entries.length === 0 && tail.state.value !== 'reading' && (
          <p class="dim">No lines yet. New ones appear here.</p>
        )}
      </div>
      {!follows.value && (
        <button type="button" class="newer" onClick={() => (follows.value = true)}>
          ↓ {added > 0 ? `${added} new` : 'to the end'}
        </button>
      )}
    </section>
  )
}

/** Typing waits a little, so that not each letter opens a stream. */
function SearchField({ value }: { value: string }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  return (
    <input
      type="search"
      aria-label="Lines that contain"
      placeholder="Lines that contain…  /"
      defaultValue={value}
      maxLength={200}
      onInput={({ currentTarget: { value } }) => {
        clearTimeout(timer.current)
        timer.current = setTimeout(() => setQuery({ search: value }), SEARCH_WAIT_MS)
      }}
    />
  )
}

/** Fields that have places of their own. */
const SHOWN = new Set(['id', 'time', 'level', 'service', 'thread', 'jobId', 'attempt', 'method', 'msg', 'node'])

function Line({ entry, showService }: { entry: Entry; showService: boolean }) {
  if (!('msg' in entry)) {
    return (
      <p class="gap">
        {entry.lost === null ? 'Lines are missing here' : `${plural(entry.lost, 'line')} missing here`} ({entry.reason})
      </p>
    )
  }
  const { time, level, service, thread, jobId, method, msg } = entry
  return (
    <div class="line" data-level={level}>
      <time title={time}>{clock(time)}</time>
      <span class="level">{level}</span>
      {showService && <span class="service">{service ?? 'server'}</span>}
      {thread !== undefined && <span class="thread">#{thread}</span>}
      {method !== undefined && <span class="method">{method}</span>}
      <span class="msg">
        {msg} <Rest line={entry} />
        {jobId !== undefined && (
          <a href={href(`/jobs/${jobId}`)} title={jobId}>
            job …{jobId.slice(-6)}
          </a>
        )}
      </span>
    </div>
  )
}

function Rest({ line }: { line: LogLine }) {
  const { err, ...fields } = line as LogLine & { err?: { stack?: string; message?: string } }
  const rest = Object.entries(fields).filter(([name]) => !SHOWN.has(name))
  return (
    <span class="rest">
      {rest.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ')}{' '}
      {err !== undefined && `\n${err.stack ?? err.message ?? JSON.stringify(err)}\n`}
    </span>
  )
}
