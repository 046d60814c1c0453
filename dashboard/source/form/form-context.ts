/** What all fields of one form share. */
import { createContext, type FunctionComponent } from 'preact'
import type { Field } from './field.ts'
import type { Schema } from './schema.ts'

export interface FormContext {
  /** The document that references refer to. */
  root: Schema
  /** Pointer of a field → messages of the server. */
  errors: ReadonlyMap<string, readonly string[]>
  /** Told by a field that is written as JSON: why its text is none, or `undefined`. */
  onInvalid: (pointer: string, why: string | undefined) => void
  /** The input of any field: fields contain fields, and files that import each other do not load in a fixed order. */
  Input: FunctionComponent<FieldProps<Field>>
}

export const Form = createContext<FormContext>({
  root: {},
  errors: new Map(),
  onInvalid: () => {},
  Input: () => null,
})

export interface FieldProps<Of = unknown> {
  field: Of
  value: unknown
  onChange: (value: unknown) => void
  /** JSON pointer of the field. */
  pointer: string
  /** Of the input, for its label. */
  id: string
}
