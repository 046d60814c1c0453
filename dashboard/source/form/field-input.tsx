/** The input of a field, by its kind. A value that the kind cannot show is shown as JSON, so nothing is lost. */
import { useContext } from 'preact/hooks'
import { JsonEditor } from '../json/json-editor.tsx'
import { Button } from '../ui/button.tsx'
import type { Field } from './field.ts'
import { Form, type FieldProps } from './form-context.ts'
import { ListInput, TupleInput } from './list-input.tsx'
import { ObjectInput } from './object-input.tsx'
import { BooleanInput, ChoiceInput, NumberInput, TextInput } from './scalar-input.tsx'
import { isObject } from './schema.ts'
import { UnionInput } from './union-input.tsx'

export function FieldInput(props: FieldProps<Field>) {
  const { field, value, onChange, id } = props
  if (value === null && field.nullable && field.kind !== 'null') {
    return (
      <span class="null" id={id}>
        null <Button onClick={() => onChange(undefined)}>Change</Button>
      </span>
    )
  }
  switch (field.kind) {
    case 'never':
      return <span class="dim">no value is accepted</span>
    case 'null':
      return <span class="null">null</span>
    case 'any':
      return <AnyInput {...props} />
    case 'boolean':
      return value === undefined || typeof value === 'boolean' ? (
        <BooleanInput {...props} field={field} />
      ) : (
        <Other {...props} />
      )
    case 'choice':
      return <ChoiceInput {...props} field={field} />
    case 'number':
      return isScalar(value) ? <NumberInput {...props} field={field} /> : <Other {...props} />
    case 'text':
      return value === undefined || typeof value === 'string' ? (
        <TextInput {...props} field={field} />
      ) : (
        <Other {...props} />
      )
    case 'object':
      return value === undefined || isObject(value) ? <ObjectInput {...props} field={field} /> : <Other {...props} />
    case 'list':
      return value === undefined || Array.isArray(value) ? <ListInput {...props} field={field} /> : <Other {...props} />
    case 'tuple':
      return value === undefined || Array.isArray(value) ? (
        <TupleInput {...props} field={field} />
      ) : (
        <Other {...props} />
      )
    case 'union':
      return <UnionInput {...props} field={field} />
  }
}

function isScalar(value: unknown): boolean {
  return value === undefined || typeof value === 'number' || typeof value === 'string'
}

function AnyInput(props: FieldProps) {
  return <AsJson {...props} label="Any JSON" />
}

/** A value of another type than the schema names, such as one that was written in the JSON view. */
function Other(props: FieldProps<Field>) {
  return (
    <div class="other">
      <p class="dim">This value is of another type than the schema names.</p>
      <AsJson {...props} label="The value as JSON" />
      <Button onClick={() => props.onChange(undefined)}>Begin again</Button>
    </div>
  )
}

function AsJson({ value, onChange, id, pointer, label }: FieldProps & { label: string }) {
  const { onInvalid } = useContext(Form)
  return (
    <JsonEditor
      id={id}
      value={value}
      onChange={onChange}
      onInvalid={(why) => onInvalid(pointer, why)}
      label={label}
      rows={2}
    />
  )
}
