/** Inputs for texts, numbers, booleans and choices. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { Button } from '../ui/button.tsx'
import type { Field } from './field.ts'
import type { FieldProps } from './form-context.ts'

/** From here on a text has several lines. */
const LONG_CHARS = 80
/** A text that may be so long has several lines from the start. */
const LONG_LIMIT = 1_000

/** Format → the keyboard of a phone. The type stays `text`: other inputs change what is typed, or hide what they refuse. */
const KEYBOARDS: Record<string, 'email' | 'url'> = { email: 'email', uri: 'url' }

/** Format → how it looks. */
const LOOKS: Record<string, string> = { date: '2026-01-31', 'date-time': '2026-01-31T12:00:00Z', duration: 'PT1H30M' }

type Of<Kind extends Field['kind']> = Extract<Field, { kind: Kind }>

export function TextInput({ field, value, onChange, id }: FieldProps<Of<'text'>>) {
  const text = typeof value === 'string' ? value : ''
  const { format, pattern, maxLength = Number.POSITIVE_INFINITY } = field
  const isOneLine = format !== undefined || pattern !== undefined || maxLength < 100
  const [isLong, setLong] = useState(!isOneLine && Number.isFinite(maxLength) && maxLength >= LONG_LIMIT)
  const change = (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value)
  const placeholder = placeholderOf(field) || (LOOKS[format ?? ''] ?? '')
  if (isLong || text.includes('\n') || (!isOneLine && text.length > LONG_CHARS)) {
    return <textarea id={id} class="text" dir="auto" rows={4} value={text} placeholder={placeholder} onInput={change} />
  }
  return (
    <>
      <input
        id={id}
        dir="auto"
        type="text"
        inputMode={KEYBOARDS[format ?? ''] ?? 'text'}
        value={text}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        onInput={change}
        onPaste={(event) => {
          // An input would join the lines.
          const pasted = event.clipboardData?.getData('text') ?? ''
          if (!pasted.includes('\n')) return
          event.preventDefault()
          const { selectionStart, selectionEnd } = event.currentTarget
          setLong(true)
          onChange(text.slice(0, selectionStart ?? 0) + pasted + text.slice(selectionEnd ?? text.length))
        }}
      />
      {format === 'date-time' && <Now onChange={onChange} />}
      {format === 'uuid' && (
        <Button kind="quiet" onClick={() => onChange(crypto.randomUUID())}>
          New
        </Button>
      )}
      {!isOneLine && <Button kind="quiet" icon="list" label="Several lines" onClick={() => setLong(true)} />}
    </>
  )
}

function Now({ onChange }: { onChange: (value: string) => void }) {
  return (
    <Button kind="quiet" onClick={() => onChange(new Date().toISOString())}>
      Now
    </Button>
  )
}

/** What is not a number is sent as the text that it is: the server says what is wrong with it. */
export function NumberInput({ field, value, onChange, id }: FieldProps<Of<'number'>>) {
  const [text, setText] = useState(numberText(value))
  const sent = useRef(value)
  useEffect(() => {
    // Changed from elsewhere: by the JSON view, or by an example.
    if (sent.current === value) return
    sent.current = value
    setText(numberText(value))
  }, [value])
  return (
    <input
      id={id}
      type="text"
      inputMode={field.integer ? 'numeric' : 'decimal'}
      class="numeric"
      value={text}
      placeholder={placeholderOf(field)}
      autocomplete="off"
      onInput={({ currentTarget }) => {
        const next = numberOf(currentTarget.value)
        setText(currentTarget.value)
        sent.current = next
        onChange(next)
      }}
    />
  )
}

function numberText(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : ''
}

function numberOf(text: string): unknown {
  if (text.trim() === '') return undefined
  const number = Number(text)
  return Number.isFinite(number) ? number : text
}

export function BooleanInput({ field, value, onChange, id }: FieldProps<Of<'boolean'>>) {
  const values = [true, false]
  return <Select id={id} values={values} value={value} onChange={onChange} placeholder={placeholderOf(field)} />
}

export function ChoiceInput({ field, value, onChange, id }: FieldProps<Of<'choice'>>) {
  const { values } = field
  return <Select id={id} values={values} value={value} onChange={onChange} placeholder={placeholderOf(field)} />
}

interface SelectProps {
  id: string
  values: readonly unknown[]
  value: unknown
  onChange: (value: unknown) => void
  placeholder: string
}

function Select({ id, values, value, onChange, placeholder }: SelectProps) {
  const at = values.findIndex((one) => JSON.stringify(one) === JSON.stringify(value))
  return (
    <select
      id={id}
      value={at}
      onChange={({ currentTarget }) => {
        const chosen = Number(currentTarget.value)
        onChange(chosen < 0 ? undefined : values[chosen])
      }}
    >
      {(at < 0 || value === undefined) && (
        <option value={-1}>{value === undefined ? placeholder || 'choose…' : JSON.stringify(value)}</option>
      )}
      {values.map((one, index) => (
        <option key={JSON.stringify(one)} value={index}>
          {typeof one === 'string' ? one || '(empty text)' : JSON.stringify(one)}
        </option>
      ))}
    </select>
  )
}

/** What an absent value means, or an example of one. */
function placeholderOf(field: Field): string {
  if ('default' in field) return `default: ${shown(field.default)}`
  return field.examples.length > 0 ? `such as ${shown(field.examples[0])}` : ''
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
