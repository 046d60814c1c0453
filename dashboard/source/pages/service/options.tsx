/** The options of a service as a form. Only what was changed is sent. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ServiceStatus } from '../../../../routes/schemas/service.ts'
import { type Problem, request, toProblem } from '../../api/request.ts'
import { may } from '../../state/me.ts'
import { takeStatus } from '../../state/services.ts'
import { Button } from '../../ui/button.tsx'
import { plural } from '../../ui/format.ts'
import { ProblemBox } from '../../ui/problem-box.tsx'
import { notify } from '../../ui/toast.tsx'
import { FIELDS, GROUPS, type OptionField, type OptionPath, textOfOption, valueOfText } from './option-fields.ts'

interface OptionsTabProps {
  status: ServiceStatus
  onChange: () => unknown
}

export function OptionsTab({ status, onChange }: OptionsTabProps) {
  const { name } = status
  /** Path → the text that was typed. */
  const typed = useSignal<ReadonlyMap<OptionPath, string>>(new Map())
  const error = useSignal<unknown>(undefined)
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => typed.value.size > 0 && event.preventDefault()
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [])
  const changes = [...typed.value].filter(([path, text]) => text !== textOfOption(valueAt(status, path)))
  const problem: Problem | undefined = error.value === undefined ? undefined : toProblem(error.value)
  const save = async () => {
    error.value = undefined
    const json: Record<string, unknown> = {}
    for (const [path, text] of changes) put(json, path, valueOfText(FIELDS[path], text))
    try {
      const answer = await request<ServiceStatus>('PATCH', `/v1/services/${encodeURIComponent(name)}`, { json })
      typed.value = new Map()
      takeStatus(answer)
      notify(`${plural(changes.length, 'option')} of ${name} changed`)
      onChange()
    } catch (reason) {
      error.value = reason
    }
  }
  return (
    <form
      class="options"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      {Object.entries(GROUPS).map(([title, paths]) => (
        <fieldset key={title}>
          <legend>{title}</legend>
          {paths.map((path) => (
            <Field
              key={path}
              path={path}
              field={FIELDS[path]}
              value={typed.value.get(path) ?? textOfOption(valueAt(status, path))}
              changed={changes.some(([one]) => one === path)}
              error={problem?.errors?.find(({ pointer }) => pointer === `/${path.replace('.', '/')}`)?.message}
              locked={!may('operate', name)}
              onInput={(text) => {
                typed.value = new Map(typed.value).set(path, text)
              }}
            />
          ))}
        </fieldset>
      ))}
      {error.value !== undefined && <ProblemBox error={error.value} />}
      <footer>
        <p class="dim">An empty field sets an option back to that of the module.</p>
        <Button
          disabled={changes.length === 0 && 'Nothing is changed'}
          onClick={() => {
            typed.value = new Map()
            error.value = undefined
          }}
        >
          Undo
        </Button>
        <Button
          kind="primary"
          type="submit"
          scope="operate"
          service={name}
          disabled={changes.length === 0 && 'Nothing is changed'}
        >
          {changes.length === 0 ? 'Save' : `Save ${plural(changes.length, 'change')}`}
        </Button>
      </footer>
    </form>
  )
}

interface FieldProps {
  path: OptionPath
  field: OptionField
  value: string
  changed: boolean
  error: string | undefined
  locked: boolean
  onInput: (text: string) => void
}

function Field({ path, field, value, changed, error, locked, onInput }: FieldProps) {
  const id = `option-${path}`
  const label = path.replace(/^.*\./, '')
  const common = { id, disabled: locked, 'aria-invalid': error !== undefined, 'aria-describedby': `${id}-help` }
  const choices = field.kind === 'choice' ? field.choices : field.kind === 'switch' ? ['true', 'false'] : undefined
  return (
    <div class={`option${changed ? ' changed' : ''}`}>
      <label for={id}>{label}</label>
      <span class="input">
        {choices === undefined ? (
          <input
            {...common}
            type="text"
            inputMode={field.kind === 'number' ? 'numeric' : 'text'}
            placeholder="none"
            autocomplete="off"
            spellcheck={false}
            value={value}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
        ) : (
          <select {...common} value={value} onChange={(event) => onInput(event.currentTarget.value)}>
            <option value="">as the module has it</option>
            {choices.map((one) => (
              <option key={one} value={one}>
                {field.kind === 'switch' ? (one === 'true' ? 'yes' : 'no') : one}
              </option>
            ))}
          </select>
        )}
        {field.kind === 'number' && field.unit && <span class="dim">{field.unit}</span>}
      </span>
      <small id={`${id}-help`} class={error === undefined ? 'dim' : 'bad'}>
        {error ?? field.help}
      </small>
    </div>
  )
}

function valueAt({ options }: ServiceStatus, path: OptionPath): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], options)
}

function put(target: Record<string, unknown>, path: string, value: unknown): void {
  const [head = '', rest] = path.split('.')
  if (rest === undefined) target[head] = value
  else target[head] = { ...(target[head] as object | undefined), [rest]: value }
}
