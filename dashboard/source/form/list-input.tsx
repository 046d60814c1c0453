/** The items of a list: added, taken away, moved. And tuples, whose items have schemas of their own. */
import { useContext, useState } from 'preact/hooks'
import { Button } from '../ui/button.tsx'
import { plural } from '../ui/format.ts'
import type { Field } from './field.ts'
import { FieldRow } from './field-row.tsx'
import { Form, type FieldProps } from './form-context.ts'
import { hasErrorBelow } from './place-errors.ts'
import { asList, pointerPart, type Schema } from './schema.ts'
import { blank } from './values.ts'

/** Items that are drawn at first. */
const SHOWN = 50

export function ListInput({ field, ...props }: FieldProps<Extract<Field, { kind: 'list' }>>) {
  return <Items {...props} {...field} fixed={0} schemaAt={() => field.item} />
}

export function TupleInput({ field, ...props }: FieldProps<Extract<Field, { kind: 'tuple' }>>) {
  const { items, rest } = field
  const maxItems = rest === undefined ? Math.min(items.length, field.maxItems) : field.maxItems
  return <Items {...props} {...field} maxItems={maxItems} fixed={items.length} schemaAt={(at) => items[at] ?? rest} />
}

interface ItemsProps {
  value: unknown
  onChange: (value: unknown) => void
  pointer: string
  /** The first items cannot be moved, and only the last item can be taken away. */
  fixed: number
  minItems: number
  maxItems: number
  schemaAt: (at: number) => Schema | undefined
}

function Items({ value, onChange, pointer, fixed, minItems, maxItems, schemaAt }: ItemsProps) {
  const { root, errors } = useContext(Form)
  const [limit, setLimit] = useState(SHOWN)
  const list = asList(value)
  const isWrong = (at: number) => hasErrorBelow(errors, pointer + pointerPart(at))
  const shown = list.map((item, at) => ({ item, at })).filter(({ at }) => at < limit || isWrong(at))
  const next = schemaAt(list.length)
  const isFull = list.length >= maxItems || next === undefined
  return (
    <div class="members">
      {shown.map(({ item, at }) => (
        <FieldRow
          // Items have no names of their own: the place is the key.
          key={at}
          name={`${at + 1}`}
          schema={schemaAt(at) ?? {}}
          value={item}
          required
          onChange={(changed) => onChange(list.with(at, changed === undefined ? null : changed))}
          pointer={pointer + pointerPart(at)}
          actions={
            <span class="item-actions">
              {at > fixed && (
                <Button kind="quiet" label="Move up" onClick={() => onChange(swapped(list, at, at - 1))}>
                  ↑
                </Button>
              )}
              {at >= fixed && at < list.length - 1 && (
                <Button kind="quiet" label="Move down" onClick={() => onChange(swapped(list, at, at + 1))}>
                  ↓
                </Button>
              )}
              {(at >= fixed || at === list.length - 1) && at >= Math.min(minItems, fixed) && (
                <Button
                  kind="quiet"
                  icon="trash"
                  label={`Take item ${at + 1} away`}
                  onClick={() => onChange(list.toSpliced(at, 1))}
                />
              )}
            </span>
          }
        />
      ))}
      {list.length > limit && (
        <Button onClick={() => setLimit(limit + 200)}>Show more: {list.length - limit} are not shown</Button>
      )}
      <div class="list-end">
        <Button
          icon="plus"
          disabled={isFull && `At most ${maxItems} items`}
          onClick={() => onChange([...list, blank(root, next ?? {}) ?? null])}
        >
          Add item
        </Button>
        <span class="dim">
          {value === undefined ? 'not set' : list.length === 0 ? 'empty list' : plural(list.length, 'item')}
        </span>
      </div>
    </div>
  )
}

function swapped(list: unknown[], a: number, b: number): unknown[] {
  return list.with(a, list[b]).with(b, list[a])
}
