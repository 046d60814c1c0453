/**
 * What a service module says of itself, and what a handler is told of the job that it runs: the vocabulary that
 * modules, threads, the control thread and HTTP share.
 */
import type { ResolvedMethodOptions, ServiceOptions } from './options.ts'

export type JsonSchema = Record<string, unknown>

/** What a service module says about itself; kept in the data folder by content hash (P1). */
export interface ServiceDescription {
  description?: string
  options: ServiceOptions
  methods: Record<string, MethodDescription>
}

export interface MethodDescription {
  description?: string
  /** JSON Schema of what a client may send; absent where any JSON is taken. */
  input?: JsonSchema
  /** The same, accepting at least all that the original accepts: what the control thread validates with. */
  widenedInput?: JsonSchema
  /** JSON Schema of the result, or of an item of it; absent where any JSON may come. */
  output?: JsonSchema
  /** It returns a stream of items. */
  streams?: true
  /** It takes bytes, and no JSON. */
  inputBytes?: BytesDescription
  /** It returns bytes, and no JSON. */
  outputBytes?: BytesDescription
  options: ResolvedMethodOptions
}

export interface BytesDescription {
  /** Media types that are taken, or the one that is sent. */
  types: string[]
  maxBytes?: number
}

/** What a handler is told about its job. A call has an id of its own too. */
export interface JobContext {
  id: string
  attempt: number
  /** W3C trace context of the request, if it had one. */
  traceparent?: string
}
