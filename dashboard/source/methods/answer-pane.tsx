/** What came back of a call or a cast: status, time, and the result in the form that it has. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { ApiError } from '../api/request.ts'
import { JsonTree } from '../json/json-tree.tsx'
import { saveFile } from '../json/save-file.ts'
import { now } from '../state/now.ts'
import { Badge } from '../ui/badge.tsx'
import { Button } from '../ui/button.tsx'
import { bytes, count, duration } from '../ui/format.ts'
import { ProblemBox } from '../ui/problem-box.tsx'
import type { Mode } from './copy-as.ts'
import type { Answer } from './invoke.ts'
import type { ItemStream } from './item-stream.ts'
import { JobLine } from './job-line.tsx'

export type Shown =
  | Answer
  | { kind: 'running'; mode: Mode; since: number }
  | { kind: 'stopped' }
  | { kind: 'problem'; error: unknown }

interface AnswerPaneProps {
  shown: Shown | undefined
  /** For files. */
  name: string
  onStop: () => void
  /** Errors at these pointers are shown at their fields. */
  isAtField: (pointer: string) => boolean
}

export function AnswerPane({ shown, name, onStop, isAtField }: AnswerPaneProps) {
  return (
    <>
      <div class="answer-head">
        <h3>Answer</h3>
        {shown !== undefined && <Facts shown={shown} onStop={onStop} />}
      </div>
      <div class="answer" aria-live="polite" aria-busy={shown?.kind === 'running'}>
        {shown === undefined ? (
          <p class="dim">Nothing has been called yet.</p>
        ) : (
          <Body {...{ shown, name, isAtField }} />
        )}
      </div>
    </>
  )
}

function Facts({ shown, onStop }: { shown: Shown; onStop: () => void }) {
  switch (shown.kind) {
    case 'running':
      return (
        <>
          <Waiting since={shown.since} />
          <Button icon="stop" onClick={onStop}>
            Stop
          </Button>
        </>
      )
    case 'stopped':
      return <Badge>stopped</Badge>
    case 'problem': {
      const { status } = shown.error instanceof ApiError ? shown.error.problem : { status: 0 }
      return <Badge tone="bad">{status || 'failed'}</Badge>
    }
    case 'items':
      return <StreamFacts stream={shown.stream} onStop={onStop} />
    default:
      return (
        <>
          <Badge tone="good">{shown.status}</Badge>
          <span class="dim">{duration(shown.tookMs)}</span>
          {shown.kind === 'json' && <span class="dim">{bytes(shown.text.length)}</span>}
        </>
      )
  }
}

function Waiting({ since }: { since: number }) {
  const ms = Math.max(0, now.value - since)
  return <span class="dim">running{ms >= 1_000 && `, ${duration(ms)}`}…</span>
}

function StreamFacts({ stream, onStop }: { stream: ItemStream; onStop: () => void }) {
  const state = stream.state.value
  return (
    <>
      <Badge tone={state === 'ended' ? 'good' : typeof state === 'object' ? 'bad' : 'info'}>
        {typeof state === 'object' ? 'failed' : state}
      </Badge>
      <span class="dim">{count(stream.count.value)} items</span>
      {state === 'running' && (
        <Button icon="stop" onClick={onStop}>
          Stop
        </Button>
      )}
    </>
  )
}

function Body({ shown, name, isAtField }: { shown: Shown; name: string; isAtField: AnswerPaneProps['isAtField'] }) {
  switch (shown.kind) {
    case 'running':
      return null
    case 'stopped':
      return <p class="dim">The page has closed the connection, so the server cancels the call.</p>
    case 'problem':
      return <Failure error={shown.error} isAtField={isAtField} />
    case 'json':
      return <JsonTree value={shown.value} text={shown.text} name={name} />
    case 'job':
      return <JobLine id={shown.job.id} />
    case 'items':
      return <Items stream={shown.stream} />
    case 'bytes':
      return <Bytes blob={shown.blob} type={shown.type} name={name} />
  }
}

function Failure({ error, isAtField }: { error: unknown; isAtField: (pointer: string) => boolean }) {
  const cause = error instanceof ApiError ? error.problem.error : undefined
  return (
    <>
      <ProblemBox error={error} shownElsewhere={isAtField} />
      {cause !== undefined && <JsonTree value={cause} name="error" />}
    </>
  )
}

function Items({ stream }: { stream: ItemStream }) {
  const items = stream.items.value
  const state = stream.state.value
  const hidden = stream.count.value - items.length
  return (
    <>
      {typeof state === 'object' && <ProblemBox error={state.error} />}
      {hidden > 0 && (
        <p class="dim">
          The last {items.length}; {count(hidden)} before them are not kept.
        </p>
      )}
      {/* The newest on top: nothing has to scroll by itself. */}
      <ol class="items" reversed>
        {items
          .slice(-200)
          .reverse()
          .map(({ number, text }) => (
            <li key={number}>
              <span class="dim">{number}</span> <code>{text.length > 500 ? `${text.slice(0, 500)}…` : text}</code>
            </li>
          ))}
      </ol>
      {items.length > 0 && (
        <Button
          icon="download"
          onClick={() => saveFile('items.ndjson', new Blob([items.map(({ text }) => `${text}\n`).join('')]))}
        >
          Save
        </Button>
      )}
    </>
  )
}

/** Larger texts are not shown. */
const MAX_PREVIEW_BYTES = 64 * 1024

/** The content policy lets the page show images as data: URLs only. */
const MAX_IMAGE_BYTES = 4 * 1024 * 1024

function Bytes({ blob, type, name }: { blob: Blob; type: string; name: string }) {
  const isImage = /^image\/(png|jpeg|gif|webp|avif|svg\+xml)$/.test(type) && blob.size <= MAX_IMAGE_BYTES
  const isText = /^text\/|[+/](json|xml)$|csv|javascript/.test(type) && !isImage
  const [text, setText] = useState<string>()
  const read = useMemo(() => {
    if (isImage) return dataUrl(blob)
    return isText ? blob.slice(0, MAX_PREVIEW_BYTES).text() : undefined
  }, [blob])
  useEffect(() => {
    let isShown = true
    void read?.then((found) => isShown && setText(found))
    return () => {
      isShown = false
    }
  }, [read])
  return (
    <div class="bytes">
      <p>
        {type} <span class="dim">{bytes(blob.size)}</span>{' '}
        <Button icon="download" onClick={() => saveFile(name, blob)}>
          Save
        </Button>
      </p>
      {isImage && text !== undefined && <img src={text} alt="The result" />}
      {isText && text !== undefined && <pre>{text}</pre>}
      {isText && blob.size > MAX_PREVIEW_BYTES && <p class="dim">Only the first 64 kB are shown.</p>}
    </div>
  )
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as string)
    reader.readAsDataURL(blob)
  })
}
