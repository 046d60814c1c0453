/**
 * A CPU profile as an icicle: callers above, what they call below, as wide as it took time. A click, or Enter, shows a
 * function in full width; Escape goes back. Arrows move from box to box.
 */
import { useSignal } from '@preact/signals'
import { useMemo, useRef } from 'preact/hooks'
import { shortUrl } from '../stack/diff-stack.ts'
import { Button } from '../ui/button.tsx'
import { duration, percent } from '../ui/format.ts'
import { type Box, boxesOf, type CpuProfile, type Frame, frameTree, hottest, matches, timeOf } from './flame.ts'
import './profile.css'

export type { CpuProfile } from './flame.ts'

const ROW_PX = 20
const HOTTEST = 12

export function ProfileView({ profile }: { profile: CpuProfile }) {
  const root = useMemo(() => frameTree(profile), [profile])
  const focus = useSignal<Frame | undefined>(undefined)
  const pointed = useSignal<Frame | undefined>(undefined)
  const search = useSignal('')
  const element = useRef<HTMLDivElement>(null)
  // Of an older recording, after a new one.
  const shown = focus.value !== undefined && rootOf(focus.value) === root ? focus.value : root
  const boxes = useMemo(() => boxesOf(shown), [shown])
  const wholeMs = (profile.endTime - profile.startTime) / 1_000
  const zoom = (frame: Frame) => {
    focus.value = frame
    pointed.value = frame
  }
  const onKey = (event: KeyboardEvent) => {
    const target = (event.target as HTMLElement).dataset.box
    const at = boxes.findIndex(({ frame }) => frame.key === target)
    const box = boxes[at]
    if (box === undefined) return
    if (event.key === 'Escape' && shown.parent !== undefined) {
      event.stopPropagation()
      event.preventDefault()
      return zoom(shown.parent)
    }
    const next = neighbour(boxes, box, event.key)
    if (next === undefined) return
    event.preventDefault()
    pointed.value = next.frame
    element.current?.querySelector<HTMLElement>(`[data-box="${CSS.escape(next.frame.key)}"]`)?.focus()
  }
  if (root.total === 0) return <p class="dim">The thread did nothing in this time: its event loop waited.</p>
  const tabStop =
    pointed.value !== undefined && boxes.some(({ frame }) => frame === pointed.value) ? pointed.value : shown
  const depth = Math.max(...boxes.map((box) => box.depth)) + 1
  return (
    <div class="profile">
      <div class="toolbar">
        <input
          type="search"
          aria-label="Find a function"
          placeholder="Find a function or file"
          value={search.value}
          onInput={({ currentTarget }) => {
            search.value = currentTarget.value
          }}
        />
        {search.value !== '' && <span class="dim">{percent(timeOf(root, search.value) / root.total)} of the time</span>}
        <span class="dim">
          {duration(root.total / 1_000)} at work of {duration(wholeMs)}
        </span>
        {shown !== root && <Button onClick={() => zoom(root)}>Show all</Button>}
      </div>
      <div
        ref={element}
        class={`icicle${search.value === '' ? '' : ' searching'}`}
        style={{ height: `${depth * ROW_PX}px` }}
        role="group"
        aria-label="Time by caller"
        onKeyDown={onKey}
      >
        {boxes.map(({ frame, depth, left, width }) => (
          <button
            type="button"
            key={frame.key}
            data-box={frame.key}
            tabIndex={frame === tabStop ? 0 : -1}
            class={`box ${frame.origin}${matches(frame, search.value) ? ' found' : ''}${frame === shown ? ' shown' : ''}`}
            style={{ left: `${left * 100}%`, width: `${width * 100}%`, top: `${depth * ROW_PX}px` }}
            aria-label={`${frame.name}, ${percent(frame.total / root.total)}`}
            onClick={() => zoom(frame)}
            onFocus={() => {
              pointed.value = frame
            }}
            onMouseEnter={() => {
              pointed.value = frame
            }}
          >
            {width > 0.015 && frame.name}
          </button>
        ))}
      </div>
      <FrameFacts frame={pointed.value ?? shown} root={root} />
      <h3>Most time in themselves</h3>
      <ol class="hottest">
        {hottest(root, HOTTEST).map(({ name, url, line, self }) => (
          <li key={`${name} ${url} ${line}`}>
            <span class="share">{percent(self / root.total)}</span>
            <button
              type="button"
              class="link"
              onClick={() => {
                search.value = name
              }}
            >
              {name}
            </button>
            <span class="dim" title={url}>
              {duration(self / 1_000)} {url !== '' && `${shortUrl(url)}:${line}`}
            </span>
          </li>
        ))}
      </ol>
    </div>
  )
}

function FrameFacts({ frame, root }: { frame: Frame; root: Frame }) {
  const { name, url, line, self, total } = frame
  const time = (microseconds: number) => `${duration(microseconds / 1_000)} (${percent(microseconds / root.total)})`
  return (
    <p class="frame-facts" aria-live="polite">
      <code>{name}</code>{' '}
      <span class="dim" title={url}>
        {url !== '' && `${shortUrl(url)}:${line}`}
      </span>{' '}
      total {time(total)}, itself {time(self)}
    </p>
  )
}

function rootOf(frame: Frame): Frame {
  return frame.parent === undefined ? frame : rootOf(frame.parent)
}

/** The box that an arrow leads to. */
function neighbour(boxes: readonly Box[], { frame, depth, left }: Box, key: string): Box | undefined {
  switch (key) {
    case 'ArrowUp':
      return boxes.find((box) => box.frame === frame.parent)
    case 'ArrowDown':
      return boxes.find((box) => box.frame.parent === frame)
    case 'ArrowRight':
      return boxes.find((box) => box.depth === depth && box.left > left)
    case 'ArrowLeft':
      return boxes.findLast((box) => box.depth === depth && box.left < left)
    default:
      return undefined
  }
}
