/** A text as JSON: says at which line and column it is not. Tab indents; Escape, then Tab, leaves the editor. */
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import './json.css'
import { syntaxProblem } from './syntax-error.ts'

interface JsonEditorProps {
  /** `undefined`: an empty text. */
  value: unknown
  onChange: (value: unknown) => void
  /** Told why the text is not JSON; `undefined` when it is. */
  onInvalid?: (why: string | undefined) => void
  label: string
  rows?: number
  id?: string
}

const INDENT = '  '

export function JsonEditor({ value, onChange, onInvalid, label, rows = 6, id }: JsonEditorProps) {
  const [text, setText] = useState(() => textOf(value))
  const [problem, setProblem] = useState<string>()
  const sent = useRef(value)
  const leaves = useRef(false)
  const problemId = useId()
  useEffect(() => {
    // Changed from elsewhere. What is being typed is never formatted anew.
    if (sent.current === value) return
    sent.current = value
    setText(textOf(value))
    setProblem(undefined)
  }, [value])
  useEffect(() => onInvalid?.(problem), [problem])
  useEffect(() => () => onInvalid?.(undefined), [])

  const change = (next: string) => {
    setText(next)
    const found = read(next)
    setProblem(found.problem)
    if (found.problem !== undefined) return
    sent.current = found.value
    onChange(found.value)
  }
  return (
    <div class="json-editor">
      <textarea
        id={id}
        class="code"
        aria-label={id === undefined ? label : undefined}
        aria-invalid={problem !== undefined}
        aria-describedby={problem === undefined ? undefined : problemId}
        rows={Math.min(24, Math.max(rows, text.split('\n', 30).length))}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={({ currentTarget }) => change(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Tab' && !event.shiftKey && !leaves.current) {
            event.preventDefault()
            // As if it were typed, so that undo works.
            document.execCommand('insertText', false, INDENT)
          }
          leaves.current = event.key === 'Escape'
        }}
      />
      {problem !== undefined && (
        <p class="field-error" id={problemId} role="status">
          {problem}
        </p>
      )}
    </div>
  )
}

function textOf(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value, null, 2)
}

function read(text: string): { value?: unknown; problem?: string } {
  if (text.trim() === '') return { value: undefined }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    const problem = syntaxProblem(text)
    if (problem === undefined) return { problem: String(error) }
    return { problem: `Line ${problem.line}, column ${problem.column}: ${problem.message}` }
  }
}
