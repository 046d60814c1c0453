/**
 * A form from a JSON Schema, with a JSON view beside it. Both show one value, so a switch loses nothing. The server checks
 * what is sent: its `errors[]` are shown at their fields.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { JsonEditor } from '../json/json-editor.tsx'
import { Button } from '../ui/button.tsx'
import { FieldInput } from './field-input.tsx'
import { fieldOf } from './field.ts'
import { Form } from './form-context.ts'
import './form.css'
import { type FieldError, placeErrors } from './place-errors.ts'
import type { Schema } from './schema.ts'
import { blank, sample } from './values.ts'

/** Text that is longer is not made into fields: thousands of inputs help nobody. */
const MAX_FORM_CHARS = 64 * 1024

interface SchemaFormProps {
  /** `null`: any JSON. */
  schema: Schema | null
  /** `undefined`: nothing yet. */
  value: unknown
  onChange: (value: unknown) => void
  errors: readonly FieldError[]
  /** Told when the JSON view holds a text that is not JSON, with where and why; then `undefined` again. */
  onInvalid: (why: string | undefined) => void
}

export function SchemaForm({ schema, value, onChange, errors, onInvalid }: SchemaFormProps) {
  const isAny = schema === null || fieldOf(schema, schema).kind === 'any'
  const isLarge = useMemo(() => JSON.stringify(value ?? null).length > MAX_FORM_CHARS, [value])
  const [asked, setView] = useState<'form' | 'json'>('form')
  /** Pointer of a part that is written as JSON → why its text is none. */
  const [invalid, setInvalid] = useState<ReadonlyMap<string, string>>(new Map())
  const view = isAny || isLarge ? 'json' : asked
  const [why] = invalid.values()
  useEffect(() => onInvalid(why), [why])
  const mark = (pointer: string, why: string | undefined) => {
    setInvalid((marked) => {
      if (marked.get(pointer) === why) return marked
      const others = [...marked].filter(([one]) => one !== pointer)
      return new Map(why === undefined ? others : [...others, [pointer, why]])
    })
  }
  const root = schema ?? {}
  const placed = view === 'form' ? placeErrors(root, value, errors) : new Map<string, string[]>()
  return (
    <div class="schema-form">
      <div class="form-bar">
        {!isAny && (
          <div class="segments" role="group" aria-label="View of the payload">
            {(['form', 'json'] as const).map((one) => (
              <button
                key={one}
                type="button"
                class="segment"
                aria-pressed={view === one}
                aria-disabled={one === 'form' && (isLarge || why !== undefined)}
                title={one === 'form' && isLarge ? 'The payload is too large for a form' : (why ?? '')}
                onClick={() => (one === 'json' || (!isLarge && why === undefined)) && setView(one)}
              >
                {one === 'form' ? 'Form' : 'JSON'}
              </button>
            ))}
          </div>
        )}
        <Button kind="quiet" onClick={() => onChange(sample(root, root))}>
          Example
        </Button>
        <Button kind="quiet" onClick={() => onChange(blank(root, root))}>
          Clear
        </Button>
      </div>
      {view === 'json' ? (
        <>
          <JsonEditor
            value={value}
            onChange={onChange}
            onInvalid={(why) => mark('', why)}
            label="The payload as JSON"
            rows={8}
          />
          {errors.map(({ pointer, message }) => (
            <p key={pointer + message} class="field-error" role="alert">
              <code>{pointer || '(whole payload)'}</code> {message}
            </p>
          ))}
        </>
      ) : (
        <Form.Provider value={{ root, errors: placed, onInvalid: mark, Input: FieldInput }}>
          <FieldInput field={fieldOf(root, root)} value={value} onChange={onChange} pointer="" id="payload" />
          {(placed.get('') ?? []).map((message) => (
            <p key={message} class="field-error" role="alert">
              {message}
            </p>
          ))}
        </Form.Provider>
      )}
    </div>
  )
}
