/** Options of one call or cast. What is empty stays that of the method. */
import type { MethodView } from '../../../routes/schemas/service.ts'
import { Button } from '../ui/button.tsx'
import { duration } from '../ui/format.ts'
import type { InvocationOptions } from './copy-as.ts'

interface OptionInputsProps {
  options: InvocationOptions
  onChange: (options: InvocationOptions) => void
  method: MethodView
}

export function OptionInputs({ options, onChange, method }: OptionInputsProps) {
  const given = Object.values(options).filter((value) => value !== undefined).length
  const number = (name: Exclude<keyof InvocationOptions, 'idempotencyKey'>, label: string, hint: string) => (
    <label>
      {label}
      <input
        inputMode="numeric"
        value={options[name] ?? ''}
        placeholder={hint}
        onInput={({ currentTarget }) => {
          const digits = currentTarget.value.replaceAll(/\D/g, '')
          currentTarget.value = digits
          onChange({ ...options, [name]: digits === '' ? undefined : Number(digits) })
        }}
      />
    </label>
  )
  return (
    <details class="options">
      <summary>Options{given > 0 && ` (${given})`}</summary>
      <div class="option-inputs">
        {number('timeoutMs', 'Timeout, ms', `${method.timeoutMs} (${duration(method.timeoutMs)})`)}
        {number('delayMs', 'Delay of a cast, ms', '0')}
        {number('priority', 'Priority of a cast, 0–9', String(method.priority))}
        {number('maxAttempts', 'Attempts of a cast', String(method.maxAttempts))}
        <label class="key">
          Idempotency key
          <span class="key-input">
            <input
              value={options.idempotencyKey ?? ''}
              placeholder="none"
              onInput={({ currentTarget: { value } }) => onChange({ ...options, idempotencyKey: value || undefined })}
            />
            <Button onClick={() => onChange({ ...options, idempotencyKey: crypto.randomUUID() })}>New</Button>
          </span>
        </label>
      </div>
    </details>
  )
}
