/**
 * The description of a service: its methods, their JSON Schemas and their options. A thread makes it of the service
 * module; the control thread, which never runs a module's code (P1), and HTTP know a service only by it.
 */
import type { ResolvedMethodOptions, ServiceOptions } from './options.ts'

export type JsonSchema = Record<string, unknown>

/** Stored in the data folder by content hash, so that after a restart the service accepts casts at once (P1). */
export interface ServiceDescription {
  description?: string
  options: ServiceOptions
  /** JSON Schema of the configuration, as clients see it. Absent if the service takes none. */
  config?: JsonSchema
  methods: Record<string, MethodDescription>
}

export interface MethodDescription {
  description?: string
  /** JSON Schema of the payload, as clients see it. Absent if any JSON is accepted. */
  input?: JsonSchema
  /** What the control thread validates with: it accepts everything that the module's own schema accepts. */
  widenedInput?: JsonSchema
  /** JSON Schema of the result, or of one item of a stream. Absent if any JSON may be returned. */
  output?: JsonSchema
  /** Present if the method returns a stream of items. */
  streams?: true
  /** Present if the method takes bytes instead of JSON. */
  inputBytes?: BytesDescription
  /** Present if the method returns bytes instead of JSON. */
  outputBytes?: BytesDescription
  /** The problems that the method may answer with, by name. */
  problems?: Record<string, { status: number; title: string }>
  options: ResolvedMethodOptions
}

/** `documentNotFound` → `DOCUMENT_NOT_FOUND`: the code of a declared problem. */
export function codeOfProblem(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()
}

export interface BytesDescription {
  /** Of an input: the accepted media types. Of an output: the one that is sent. */
  types: string[]
  maxBytes?: number
}

/** What a handler knows about its job. A call has an id too. */
export interface JobContext {
  id: string
  attempt: number
  /** W3C trace context (`traceparent` header) of the request, if it had one. */
  traceparent?: string
}
