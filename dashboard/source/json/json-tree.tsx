/**
 * JSON as a tree. Of a large value only the first rows are drawn, and the rest where somebody opens it, so that a result
 * of megabytes does not stop the page.
 */
import { useMemo, useState } from 'preact/hooks'
import { Button } from '../ui/button.tsx'
import { notify } from '../ui/toast.tsx'
import './json.css'
import { saveFile } from './save-file.ts'
import { closePart, firstOpen, LARGE_CHARS, openMore, type Row, rowsOf } from './tree.ts'

interface JsonTreeProps {
  value: unknown
  /** The value as it was sent, if it is at hand: it is neither made again nor changed. */
  text?: string
  /** Of the file that it is saved as, without `.json`. */
  name: string
}

/** A longer text is cut, until somebody wants all of it. */
const CUT_CHARS = 300
const MOST_CHARS = 64 * 1024

export function JsonTree({ value, text, name }: JsonTreeProps) {
  const json = useMemo(() => text ?? JSON.stringify(value, null, 2) ?? '', [text, value])
  const [state, setState] = useState(() => ({ of: value, open: firstOpen(value, json.length) }))
  // Another value begins anew.
  const open = state.of === value ? state.open : firstOpen(value, json.length)
  const change = (next: typeof open) => setState({ of: value, open: next })
  const rows = rowsOf(value, open)
  return (
    <div class="json">
      <div class="json-actions">
        {json.length > LARGE_CHARS && <span class="dim">{kilobytes(json.length)}: only the first parts are open</span>}
        <Button kind="quiet" icon="copy" label="Copy as JSON" onClick={() => copy(json)} />
        <Button
          kind="quiet"
          icon="download"
          label="Save as a file"
          onClick={() => saveFile(`${name}.json`, new Blob([json], { type: 'application/json' }))}
        />
      </div>
      <div class="json-rows" role="group" aria-label="JSON">
        {rows.map((row) => (
          <TreeRow key={`${row.path} ${row.content.kind}`} row={row} open={open} onChange={change} />
        ))}
      </div>
    </div>
  )
}

interface TreeRowProps {
  row: Row
  open: ReadonlyMap<string, number>
  onChange: (open: ReadonlyMap<string, number>) => void
}

function TreeRow({ row: { path, depth, name, content }, open, onChange }: TreeRowProps) {
  const indent = { paddingInlineStart: `${Math.min(depth, 30) * 14}px` }
  const label = name !== undefined && (
    <>
      <span class="json-name">{name === '' ? '""' : name}</span>
      <span class="dim">: </span>
    </>
  )
  switch (content.kind) {
    case 'scalar':
      return (
        <div class="json-row" style={indent}>
          <span class="json-mark" />
          {label}
          <Scalar value={content.value} />
        </div>
      )
    case 'open':
    case 'closed': {
      const isOpen = content.kind === 'open'
      const size = `${content.size} ${content.bracket === '[' ? 'item' : 'member'}${content.size === 1 ? '' : 's'}`
      const end = content.bracket === '[' ? ']' : '}'
      return (
        <div class="json-row" style={indent}>
          <button
            type="button"
            class="json-toggle"
            aria-expanded={isOpen}
            aria-label={`${name ?? 'All'}: ${size}`}
            disabled={content.size === 0}
            onClick={() => onChange(isOpen ? closePart(open, path) : openMore(open, path))}
          >
            {content.size === 0 ? '' : isOpen ? '▾' : '▸'}
          </button>
          {label}
          <span class="dim">
            {content.bracket}
            {!isOpen && (content.size === 0 ? end : ` ${size} ${end}`)}
          </span>
        </div>
      )
    }
    case 'more':
      return (
        <div class="json-row" style={indent}>
          <span class="json-mark" />
          <button type="button" class="json-more" onClick={() => onChange(openMore(open, path))}>
            … {content.hidden.toLocaleString('en')} more
          </button>
        </div>
      )
    case 'end':
      return (
        <div class="json-row" style={indent}>
          <span class="json-mark" />
          <span class="dim">{content.bracket}</span>
        </div>
      )
  }
}

function Scalar({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false)
  if (typeof value !== 'string')
    return <span class={`json-${value === null ? 'null' : typeof value}`}>{String(value)}</span>
  const limit = isWhole ? MOST_CHARS : CUT_CHARS
  const hidden = value.length - limit
  return (
    <span class="json-text">
      {/* Text that runs from right to left stays within its quotes. */}"
      <bdi>{hidden > 0 ? value.slice(0, limit) : value}</bdi>"
      {hidden > 0 && (
        <button type="button" class="json-more" disabled={isWhole} onClick={() => setWhole(true)}>
          … {hidden.toLocaleString('en')} more characters{isWhole && ': copy or save to see them'}
        </button>
      )}
    </span>
  )
}

function kilobytes(chars: number): string {
  return chars < 1024 * 1024 ? `${Math.round(chars / 1024)} kB` : `${(chars / 1024 / 1024).toFixed(1)} MB`
}

function copy(text: string): Promise<void> {
  return navigator.clipboard.writeText(text).then(
    () => notify('Copied'),
    () => notify('The browser did not let the page copy', undefined, 'bad'),
  )
}
