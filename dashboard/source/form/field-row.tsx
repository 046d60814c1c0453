/**
 * A field with its name, type, words and errors. An optional field that is absent shows how to set it; one that is set can
 * be taken away again. So an empty text and no text are two things.
 */
import type { ComponentChildren } from 'preact'
import { useContext, useId } from 'preact/hooks'
import { Button } from '../ui/button.tsx'
import { blank } from './values.ts'
import { Form } from './form-context.ts'
import { type Field, fieldOf, typeName } from './field.ts'
import { limitsText } from './limits-text.ts'
import type { Schema } from './schema.ts'

interface FieldRowProps {
  /** The name before the input; a list shows the number of the item. */
  name: ComponentChildren
  schema: Schema
  value: unknown
  onChange: (value: unknown) => void
  pointer: string
  required: boolean
  /** More buttons at the end: of an item of a list, for instance. */
  actions?: ComponentChildren
}

const IN_LINE = new Set<Field['kind']>(['boolean', 'choice', 'number', 'text', 'null', 'never'])

export function FieldRow({ name, schema, value, onChange, pointer, required, actions }: FieldRowProps) {
  const { root, errors, Input } = useContext(Form)
  const id = useId()
  const field = fieldOf(root, schema)
  const found = errors.get(pointer) ?? []
  // The words of the schema for it are those of a program: `expected number, received undefined`.
  const own = required && value === undefined && found.length > 0 ? ['This field is required'] : found
  const words = [field.title, field.description, limitsText(field)].filter(Boolean)
  const isInLine = IN_LINE.has(field.kind)
  // A text or number is set by typing; a part with members needs a decision.
  const isOpen = value !== undefined || (isInLine && field.kind !== 'null' && field.kind !== 'never') || required
  return (
    <div class={`form-field ${isInLine ? 'in-line' : 'block'}${own.length > 0 ? ' wrong' : ''}`}>
      <div class="field-head">
        <label for={id}>
          {name}
          {required && (
            <span class="required" title="Required">
              *
            </span>
          )}
        </label>
        <span class="type">{typeName(field)}</span>
        {!isInLine && <Absence {...{ field, value, onChange, required, root, schema }} />}
        {!isInLine && actions}
      </div>
      {isOpen && (
        <div class="field-body">
          <Input {...{ field, value, onChange, pointer, id }} />
          {isInLine && <Absence {...{ field, value, onChange, required, root, schema }} />}
          {isInLine && actions}
        </div>
      )}
      {words.length > 0 && <p class="field-words">{words.join(' · ')}</p>}
      {own.map((message) => (
        <p key={message} class="field-error" role="alert">
          {message}
        </p>
      ))}
    </div>
  )
}

interface AbsenceProps {
  field: Field
  value: unknown
  onChange: (value: unknown) => void
  required: boolean
  root: Schema
  schema: Schema
}

/** Sets a field, makes it null, or takes it away. */
function Absence({ field, value, onChange, required, root, schema }: AbsenceProps) {
  if (field.kind === 'never') return null
  const isAbsent = value === undefined
  const canBeNull = field.nullable && value !== null
  const set = () => onChange(blank(root, schema) ?? (field.kind === 'any' ? {} : null))
  const isSetByTyping = IN_LINE.has(field.kind) && field.kind !== 'null'
  return (
    <>
      {isAbsent && !isSetByTyping && (
        <Button kind="quiet" icon="plus" onClick={set}>
          Set
        </Button>
      )}
      {canBeNull && (
        <Button kind="quiet" onClick={() => onChange(null)}>
          null
        </Button>
      )}
      {!isAbsent && !required && (
        <Button kind="quiet" icon="close" label="Leave it out" onClick={() => onChange(undefined)} />
      )}
    </>
  )
}
