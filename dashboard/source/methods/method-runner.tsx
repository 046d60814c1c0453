/**
 * Calls and casts one method: a form from its schema, and the answer beside it. Enter calls and Shift+Enter casts; within
 * a text of several lines, with ⌘ or Ctrl.
 */
import { useRef, useState } from 'preact/hooks'
import type { MethodView } from '../../../routes/schemas/service.ts'
import { get, isAbort, toProblem } from '../api/request.ts'
import { isNever } from '../form/field.ts'
import { SchemaForm } from '../form/schema-form.tsx'
import type { Schema } from '../form/schema.ts'
import { blank } from '../form/values.ts'
import { useResource } from '../state/resource.ts'
import { Button } from '../ui/button.tsx'
import { Empty } from '../ui/empty.tsx'
import { ProblemBox } from '../ui/problem-box.tsx'
import { AnswerPane, type Shown } from './answer-pane.tsx'
import { ByteInput, typeToSend } from './byte-input.tsx'
import { CopyButtons } from './copy-buttons.tsx'
import type { Invocation, InvocationOptions, Mode } from './copy-as.ts'
import { invoke } from './invoke.ts'
import { keepInput, lastInput } from './last-input.ts'
import './methods.css'
import { OptionInputs } from './option-inputs.tsx'

interface MethodRunnerProps {
  service: string
  method: string
  /** Begin with this payload, and not with the last one: to edit that of a job. */
  initial?: { value: unknown }
}

export function MethodRunner({ service, method, initial }: MethodRunnerProps) {
  const methods = useResource(
    (signal) => get<{ items: MethodView[] }>(`/v1/services/${encodeURIComponent(service)}/methods`, { signal }),
    [service],
  )
  const found = methods.data.value?.items.find(({ name }) => name === method)
  if (found !== undefined) return <Runner key={`${service} ${method}`} {...{ service, method: found, initial }} />
  if (methods.error.value !== undefined) return <ProblemBox error={methods.error.value} onRetry={methods.reload} />
  if (methods.data.value === undefined) return <p class="loading">Loading…</p>
  return <Empty title={`${service} has no method ${method}`}>The module may have been changed.</Empty>
}

interface RunnerProps {
  service: string
  method: MethodView
  initial: MethodRunnerProps['initial']
}

function Runner({ service, method, initial }: RunnerProps) {
  const schema = method.input as Schema | null
  const [value, setValue] = useState(
    () => (initial ?? lastInput(service, method.name) ?? { value: blank(schema ?? {}, schema ?? {}) }).value,
  )
  const [file, setFile] = useState<File>()
  const [options, setOptions] = useState<InvocationOptions>({})
  const [invalid, setInvalid] = useState<string>()
  const [shown, show] = useState<Shown>()
  const running = useRef<AbortController>(undefined)

  const takesBytes = method.takes !== undefined
  const invocation = (mode: Mode): Invocation => ({
    service,
    method: method.name,
    mode,
    payload: takesBytes ? undefined : value,
    bytesType: takesBytes ? typeToSend(file, method.takes ?? []) : undefined,
    options,
    origin: location.origin,
  })
  const change = (next: unknown) => {
    setValue(next)
    if (!method.sensitive) keepInput(service, method.name, next)
  }
  const run = async (mode: Mode) => {
    running.current?.abort()
    const mine = new AbortController()
    running.current = mine
    show({ kind: 'running', mode, since: Date.now() })
    try {
      const answer = await invoke(invocation(mode), takesBytes ? (file ?? new Blob()) : undefined, mine.signal)
      if (running.current === mine) show(answer)
    } catch (error) {
      if (running.current === mine) show(isAbort(error) ? { kind: 'stopped' } : { kind: 'problem', error })
    }
  }
  const never = schema !== null && !takesBytes && isNever(schema, schema) && whyNever(method.name)
  const why = never || invalid || (takesBytes && file === undefined && 'Choose a file first')
  const whyNoCast = takesBytes ? 'A method that takes bytes cannot be cast' : why
  const errors = shown?.kind === 'problem' ? (toProblem(shown.error).errors ?? []) : []
  const onKey = (event: KeyboardEvent & { currentTarget: Element }) => {
    const target = event.target as Element
    const isLong = target.matches('textarea')
    const isInput = isLong || target.matches('input:not([type=file])')
    if (event.key !== 'Enter' || !isInput || event.isComposing || isLong !== (event.metaKey || event.ctrlKey)) return
    event.preventDefault()
    // The buttons know whether it may be done.
    const mode = event.shiftKey ? 'cast' : 'call'
    event.currentTarget.querySelector<HTMLButtonElement>(`.run-${mode} button`)?.click()
  }
  return (
    <section class="runner" aria-label={`${service}.${method.name}`}>
      <div class="runner-input" onKeyDown={onKey}>
        {method.description !== undefined && <p class="dim">{method.description}</p>}
        {never && <p class="never">{never}</p>}
        {takesBytes ? (
          <ByteInput types={method.takes ?? []} file={file} onChange={setFile} />
        ) : (
          <SchemaForm {...{ schema, value, errors }} onChange={change} onInvalid={setInvalid} />
        )}
        <OptionInputs options={options} onChange={setOptions} method={method} />
        <div class="runner-actions">
          <span class="run-call">
            <Button
              kind="primary"
              icon="play"
              scope="enqueue"
              service={service}
              disabled={why}
              hint="⏎"
              onClick={() => run('call')}
            >
              Call
            </Button>
          </span>
          <span class="run-cast">
            <Button
              icon="clock"
              scope="enqueue"
              service={service}
              disabled={whyNoCast}
              hint="⇧⏎"
              onClick={() => run('cast')}
            >
              Cast
            </Button>
          </span>
          <CopyButtons invocation={invocation} canCast={!takesBytes} />
        </div>
      </div>
      <div class="runner-answer">
        <AnswerPane
          shown={shown}
          name={`${service}.${method.name}`}
          onStop={() => running.current?.abort()}
          isAtField={() => !takesBytes}
        />
      </div>
    </section>
  )
}

function whyNever(method: string): string {
  return `${method} can never be called over HTTP: its input needs a value that JSON does not have, such as a Map, a Set or a bigint. Only code of the server's own process can call it.`
}
