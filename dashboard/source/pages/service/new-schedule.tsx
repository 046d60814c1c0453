/** Makes a schedule of a service: when it casts a job, of which method, and with which payload. */
import { useState } from 'preact/hooks'
import type { MethodView } from '../../../../routes/schemas/service.ts'
import { get, request, toProblem } from '../../api/request.ts'
import type { Schema } from '../../form/schema.ts'
import { SchemaForm } from '../../form/schema-form.tsx'
import { blank } from '../../form/values.ts'
import '../../methods/methods.css'
import { useResource } from '../../state/resource.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { ProblemBox } from '../../ui/problem-box.tsx'
import { notify } from '../../ui/toast.tsx'

interface NewScheduleProps {
  service: string
  /** Names that are taken: another schedule with one of them would replace the first. */
  names: readonly string[]
  onClose: () => void
}

export function NewSchedule({ service, names, onClose }: NewScheduleProps) {
  const url = `/v1/services/${encodeURIComponent(service)}`
  const methods = useResource((signal) => get<{ items: MethodView[] }>(`${url}/methods`, { signal }), [service])
  const [spec, setSpec] = useState({ name: '', cron: '0 3 * * *', timezone: 'UTC' })
  const [chosen, setChosen] = useState<string>()
  /** `undefined`: nobody has changed it yet. */
  const [payload, setPayload] = useState<{ value: unknown }>()
  const [invalid, setInvalid] = useState<string>()
  const [error, setError] = useState<unknown>()

  // A method that takes bytes cannot be cast.
  const offered = methods.data.value?.items.filter(({ takes }) => takes === undefined) ?? []
  const method = offered.find(({ name }) => name === chosen) ?? offered[0]
  const schema = (method?.input ?? null) as Schema | null
  const value = payload === undefined ? blank(schema ?? {}, schema ?? {}) : payload.value
  const { name, cron, timezone } = spec
  const why =
    (method === undefined && 'No method of the service can be cast') ||
    (name === '' && 'Give it a name') ||
    (names.includes(name) && `There is a schedule ${name}: delete it first`) ||
    invalid
  const create = async () => {
    if (method === undefined) return
    try {
      const json = { cron, timezone, method: method.name, payload: value }
      await request('PUT', `${url}/schedules/${encodeURIComponent(name)}`, { json })
      notify(`${name} casts ${service}.${method.name} from now on`)
      onClose()
    } catch (error) {
      setError(error)
    }
  }
  const errors = error === undefined ? [] : (toProblem(error).errors ?? [])
  const text = (key: keyof typeof spec, label: string, hint: string) => (
    <label>
      {label}
      <input
        value={spec[key]}
        placeholder={hint}
        spellcheck={false}
        onInput={({ currentTarget }) => setSpec({ ...spec, [key]: currentTarget.value })}
      />
    </label>
  )
  return (
    <Dialog
      title={`New schedule of ${service}`}
      size="large"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" scope="operate" service={service} disabled={why} onClick={create}>
            Create
          </Button>
        </>
      }
    >
      <div class="option-inputs">
        {text('name', 'Name', 'nightly')}
        {text('cron', 'Cron expression', '0 3 * * *')}
        {text('timezone', 'Time zone', 'UTC')}
        <label>
          Method
          <select
            value={method?.name}
            onChange={({ currentTarget }) => {
              setChosen(currentTarget.value)
              setPayload(undefined)
            }}
          >
            {offered.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {methods.error.value !== undefined && <ProblemBox error={methods.error.value} onRetry={methods.reload} />}
      {method !== undefined && (
        <SchemaForm
          key={method.name}
          schema={schema}
          value={value}
          onChange={(next) => setPayload({ value: next })}
          onInvalid={setInvalid}
          errors={errors.flatMap(({ pointer, message }) =>
            pointer.startsWith('/payload') ? [{ pointer: pointer.slice('/payload'.length), message }] : [],
          )}
        />
      )}
      {error !== undefined && <ProblemBox error={error} shownElsewhere={(pointer) => pointer.startsWith('/payload')} />}
    </Dialog>
  )
}
