/** A choice of branches, and the input of the chosen one. What was typed in another branch is kept while it is shown. */
import { useContext, useRef, useState } from 'preact/hooks'
import { type Field, fieldOf } from './field.ts'
import { branchOf, fit } from './fit.ts'
import { Form, type FieldProps } from './form-context.ts'
import { blank } from './values.ts'

export function UnionInput({ field, value, onChange, pointer, id }: FieldProps<Extract<Field, { kind: 'union' }>>) {
  const { root, Input } = useContext(Form)
  const { branches, discriminator } = field
  const [chosen, choose] = useState(() => branchOf(root, branches, value))
  const kept = useRef(new Map<number, unknown>())
  // Where the value fits two branches, the user's choice counts; else the value does.
  const best = branchOf(root, branches, value)
  const fits = (at: number) => fit(root, branches[at]?.schema ?? {}, value)
  const current = value === undefined || (chosen !== best && fits(chosen) >= fits(best)) ? chosen : best
  const branch = branches[current]
  return (
    <div class="union">
      <div class="segments" role="group" aria-label={discriminator ?? 'Kind of value'}>
        {branches.map(({ label, schema }, at) => (
          <button
            key={label}
            type="button"
            id={at === 0 ? id : undefined}
            class="segment"
            aria-pressed={at === current}
            onClick={() => {
              if (at === current) return
              kept.current.set(current, value)
              choose(at)
              onChange(kept.current.get(at) ?? blank(root, schema))
            }}
          >
            {label}
          </button>
        ))}
      </div>
      {branch !== undefined && (
        <Input
          key={current}
          field={fieldOf(root, branch.schema)}
          value={value}
          onChange={onChange}
          pointer={pointer}
          id={`${id}-${current}`}
        />
      )}
    </div>
  )
}
