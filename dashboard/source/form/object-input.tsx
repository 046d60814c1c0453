/** The members of an object, and others that it accepts beside them, with names that the user gives. */
import { useContext, useState } from 'preact/hooks'
import { Button } from '../ui/button.tsx'
import { type Field, fieldOf } from './field.ts'
import { FieldRow } from './field-row.tsx'
import { Form, type FieldProps } from './form-context.ts'
import { asObject, pointerPart } from './schema.ts'
import { blank } from './values.ts'

export function ObjectInput({ field, value, onChange, pointer }: FieldProps<Extract<Field, { kind: 'object' }>>) {
  const { root } = useContext(Form)
  const given = asObject(value)
  const known = new Set(field.members.map(({ name }) => name))
  const others = Object.keys(given).filter((name) => !known.has(name))
  // A member that can have one value only needs no input: it is set with the others.
  const constants = field.members.flatMap(({ name, schema, required }) => {
    const { kind, values } = { values: [] as unknown[], ...fieldOf(root, schema) }
    const isGiven = Object.hasOwn(given, name) && given[name] !== values[0]
    return required && kind === 'choice' && values.length === 1 && !isGiven ? [{ name, value: values[0] }] : []
  })
  const isConstant = (name: string) => constants.some((one) => one.name === name)
  const set = (name: string, next: unknown) => {
    // By entries: `__proto__` is a name like any other.
    const rest = Object.entries(given).filter(([one]) => one !== name || next !== undefined)
    const isNew = next !== undefined && !Object.hasOwn(given, name)
    const changed = rest.map(([one, old]): [string, unknown] => [one, one === name ? next : old])
    const fixed = constants.map((one): [string, unknown] => [one.name, one.value])
    onChange(Object.fromEntries([...fixed, ...changed, ...(isNew ? [[name, next] as const] : [])]))
  }
  return (
    <div class="members">
      {field.members.length === 0 && field.others === undefined && <p class="dim">It has no members.</p>}
      {field.members
        .filter(({ name }) => !isConstant(name))
        .map(({ name, schema, required }) => (
          <FieldRow
            key={name}
            name={name}
            schema={schema}
            required={required}
            value={Object.hasOwn(given, name) ? given[name] : undefined}
            onChange={(next) => set(name, next)}
            pointer={pointer + pointerPart(name)}
          />
        ))}
      {others.map((name) => (
        <FieldRow
          key={name}
          name={<span class={field.others === undefined ? 'unknown' : ''}>{name || '(empty)'}</span>}
          schema={field.others ?? {}}
          required={false}
          value={given[name]}
          onChange={(next) => set(name, next)}
          pointer={pointer + pointerPart(name)}
        />
      ))}
      {field.others !== undefined && (
        <NewMember
          taken={(name) => known.has(name) || Object.hasOwn(given, name)}
          onAdd={(name) => set(name, blank(root, field.others ?? {}) ?? null)}
        />
      )}
    </div>
  )
}

function NewMember({ taken, onAdd }: { taken: (name: string) => boolean; onAdd: (name: string) => void }) {
  const [name, setName] = useState('')
  const isTaken = taken(name)
  const add = () => {
    onAdd(name)
    setName('')
  }
  return (
    <div class="new-member">
      <input
        aria-label="Name of a new member"
        placeholder="name"
        value={name}
        onInput={({ currentTarget }) => setName(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || isTaken || name === '') return
          event.preventDefault()
          event.stopPropagation()
          add()
        }}
      />
      <Button
        icon="plus"
        onClick={add}
        disabled={name === '' ? 'Write a name first' : isTaken && 'It is there already'}
      >
        Add
      </Button>
    </div>
  )
}
