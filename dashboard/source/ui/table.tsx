/**
 * A table that draws only the rows in sight: 500 services or a million jobs cost the same. The page scrolls, not the
 * table. `j` and `k` move a cursor, Enter opens its row, `x` chooses it. On a narrow screen each row is a card.
 */
import { useSignal } from '@preact/signals'
import { Component, type ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useKeys } from '../keys/keys.ts'
import { useVisibleRows } from './visible-rows.ts'

export interface Column<Row> {
  key: string
  title: string
  /** A CSS width; without one, the column gets what is left. */
  width?: string
  align?: 'end'
  /** Is it left out of cards? */
  wideOnly?: boolean
  cell: (row: Row) => ComponentChildren
}

interface TableProps<Row> {
  /** What the rows are, for screen readers. */
  label: string
  columns: Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
  onOpen?: (row: Row) => void
  /** Keys of the chosen rows; with it, each row has a checkbox. */
  chosen?: ReadonlySet<string>
  onChoose?: (keys: ReadonlySet<string>) => void
  /** The row under the cursor. */
  onCursor?: (row: Row | undefined) => void
  /** Called when the last rows come into sight. */
  onEnd?: () => void
  rowClass?: (row: Row) => string
}

export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, keyOf, onOpen, chosen, onChoose, onCursor, onEnd, rowClass } = props
  const body = useRef<HTMLTableSectionElement>(null)
  const cursor = useSignal<string | undefined>(undefined)
  /** The row that Shift chooses from. */
  const anchor = useRef<string | undefined>(undefined)
  const { first, end, before, after, scrollTo } = useVisibleRows(body, rows.length)

  const at = rows.findIndex((row) => keyOf(row) === cursor.value)
  const move = (step: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))
    const row = rows[next]
    cursor.value = row && keyOf(row)
    onCursor?.(row)
    scrollTo(next)
  }
  const choose = (key: string, to: boolean, range = false) => {
    const next = new Set(chosen)
    const from = range && anchor.current !== undefined ? rows.findIndex((row) => keyOf(row) === anchor.current) : -1
    const until = rows.findIndex((row) => keyOf(row) === key)
    const keys = from < 0 ? [key] : rows.slice(Math.min(from, until), Math.max(from, until) + 1).map(keyOf)
    for (const one of keys) {
      if (to) next.add(one)
      else next.delete(one)
    }
    anchor.current = key
    onChoose?.(next)
  }
  const current = at < 0 ? undefined : rows[at]
  useKeys([
    { key: 'j', label: 'Next row', run: () => move(1) },
    { key: 'k', label: 'Previous row', run: () => move(-1) },
    ...(onOpen ? [{ key: 'Enter', label: 'Open the row', run: () => current !== undefined && onOpen(current) }] : []),
    ...(onChoose
      ? [
          {
            key: 'x',
            label: 'Choose the row',
            run: () => cursor.value !== undefined && choose(cursor.value, !chosen?.has(cursor.value)),
          },
        ]
      : []),
    ...(cursor.value === undefined
      ? []
      : [
          {
            key: 'Escape',
            label: 'Leave the row',
            run: () => {
              cursor.value = undefined
              onCursor?.(undefined)
            },
          },
        ]),
  ])

  const parts = useRef<RowParts<Row>>({} as RowParts<Row>)
  Object.assign(parts.current, {
    open: (row: Row) => onOpen?.(row),
    choose,
  })

  const isAtEnd = rows.length > 0 && end >= rows.length
  useEffect(() => {
    if (isAtEnd) onEnd?.()
  }, [isAtEnd, rows.length])

  const width = columns.length + (chosen ? 1 : 0)
  const allChosen = chosen !== undefined && rows.length > 0 && rows.every((row) => chosen.has(keyOf(row)))
  return (
    <table class="table" aria-label={label} aria-rowcount={rows.length + 1}>
      <colgroup>
        {chosen && <col class="choice" />}
        {columns.map(({ key, width }) => (
          <col key={key} style={width === undefined ? {} : { width }} />
        ))}
      </colgroup>
      <thead>
        <tr>
          {chosen && (
            <th scope="col">
              <input
                type="checkbox"
                aria-label="Choose all rows that are loaded"
                checked={allChosen}
                onChange={() => onChoose?.(new Set(allChosen ? [] : rows.map(keyOf)))}
              />
            </th>
          )}
          {columns.map(({ key, title, align }) => (
            <th key={key} scope="col" class={align}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        {before > 0 && <Spacer width={width} height={before} />}
        {rows.slice(first, end).map((row, offset) => {
          const index = first + offset
          const key = keyOf(row)
          return (
            <TableRow
              key={key}
              id={key}
              row={row}
              index={index}
              columns={columns}
              isCursor={key === cursor.value}
              isChosen={chosen?.has(key)}
              className={rowClass?.(row) ?? ''}
              opens={onOpen !== undefined}
              parts={parts.current as RowParts<unknown>}
            />
          )
        })}
        {after > 0 && <Spacer width={width} height={after} />}
      </tbody>
    </table>
  )
}

/** What a row calls: the same object for all rows and all drawings, so that rows need not be drawn again. */
interface RowParts<Data> {
  open: (row: Data) => void
  choose: (key: string, to: boolean, range: boolean) => void
}

interface RowProps {
  id: string
  row: unknown
  index: number
  columns: readonly Column<never>[]
  isCursor: boolean
  /** `undefined`: rows cannot be chosen. */
  isChosen: boolean | undefined
  className: string
  opens: boolean
  parts: RowParts<unknown>
}

/** Drawn again only if it is another row or looks other: scrolling draws only the rows that come into sight. */
class TableRow extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps) {
    return Object.entries(next).some(([name, value]) => this.props[name as keyof RowProps] !== value)
  }

  override render({ id, row, index, columns, isCursor, isChosen, className, opens, parts }: RowProps) {
    return (
      <tr
        data-index={index}
        aria-rowindex={index + 2}
        aria-selected={isChosen}
        class={`${isCursor ? 'cursor ' : ''}${opens ? 'opens ' : ''}${className}`}
        onClick={(event) => {
          const isControl = (event.target as Element).closest('a, button, input, label') !== null
          if (!isControl && getSelection()?.isCollapsed !== false) parts.open(row)
        }}
      >
        {isChosen !== undefined && (
          <td class="choice">
            <input
              type="checkbox"
              aria-label={`Choose ${id}`}
              checked={isChosen}
              onClick={(event) => parts.choose(id, event.currentTarget.checked, event.shiftKey)}
            />
          </td>
        )}
        {columns.map(({ key, title, align, wideOnly, cell }) => (
          <td key={key} data-title={title} class={`${align ?? ''}${wideOnly ? ' wide-only' : ''}`}>
            {cell(row as never)}
          </td>
        ))}
      </tr>
    )
  }
}

function Spacer({ width, height }: { width: number; height: number }) {
  return (
    <tr class="spacer" aria-hidden="true">
      <td colSpan={width} style={{ height: `${height}px` }} />
    </tr>
  )
}
