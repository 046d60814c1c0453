/** The types of calls and casts of a service, from the type of its module. */
import type { z } from 'zod'
import type { MethodDefinition, ServiceDefinition } from '../module/define-service.ts'
import type { Job } from './job.ts'

/** What becomes of a value that is sent as JSON: a `Date` arrives as text. */
export type AsJson<Value> = unknown extends Value
  ? Value
  : Value extends { toJSON(): infer Json }
    ? Json
    : Value extends object
      ? { [Key in keyof Value]: AsJson<Value[Key]> }
      : Value

/** As a result is sent: a method that returns nothing answers `null`. */
type ResultAsJson<Value> = unknown extends Value ? Value : Value extends undefined | void ? null : AsJson<Value>

type InputOf<Method> = Method extends MethodDefinition<infer Input, z.ZodType> ? z.input<Input> : never
type OutputOf<Method> = Method extends MethodDefinition<infer _Input, infer Output> ? z.output<Output> : never

type IsBytes<Value> = unknown extends Value ? false : Value extends Uint8Array ? true : false

/** Bytes may be sent while they are read, from a stream. */
type PayloadOf<Method> =
  IsBytes<InputOf<Method>> extends true ? Uint8Array | ReadableStream<Uint8Array> : InputOf<Method>

/** The items of a stream. `await` waits for the first of them; to leave the loop early ends the method. */
export interface ItemStream<Item> extends Promise<AsyncIterable<Item>>, AsyncIterable<Item> {}

type AnswerOf<Output> = unknown extends Output
  ? Promise<Output>
  : Output extends Uint8Array
    ? Promise<Uint8Array>
    : Output extends AsyncIterable<infer Item>
      ? ItemStream<AsJson<Item>>
      : Promise<ResultAsJson<Output>>

/** As it is kept with a job: bytes as Base64, a stream as an array of its items. */
type JobResultOf<Output> = unknown extends Output
  ? Output
  : Output extends Uint8Array
    ? string
    : Output extends AsyncIterable<infer Item>
      ? AsJson<Item>[]
      : ResultAsJson<Output>

export interface CallOptions {
  /** Until the result is there, in milliseconds; of a stream, until its end. Default: that of the client. */
  timeoutMs?: number | undefined
  /** Ends the call; the method's own signal fires. */
  signal?: AbortSignal | undefined
  /** To run the method twice is harmless: the call is sent again when the connection is lost. Default: false. */
  idempotent?: boolean | undefined
  /** Calls with the same key and payload within 24 h are one job, and have one result. It implies `idempotent`. */
  idempotencyKey?: string | undefined
  /** Of bytes. Default: `application/octet-stream`. */
  contentType?: string | undefined
  /** W3C trace context. */
  traceparent?: string | undefined
}

export interface CastOptions {
  /** Do not run the job earlier, in milliseconds from now. */
  delayMs?: number | undefined
  /** 0 to 9, 9 first. Default: the method's. */
  priority?: number | undefined
  /** Default: the method's. */
  maxAttempts?: number | undefined
  /** The job expires if it has not begun within this time. */
  ttlMs?: number | undefined
  /** Casts with the same key and payload within 24 h are one job. Default: a key of this cast alone. */
  idempotencyKey?: string | undefined
  /** Until the job is on disk, in milliseconds. Default: that of the client. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
  /** W3C trace context. */
  traceparent?: string | undefined
}

/** A payload that may be `{}` may be left out. */
type Arguments<Payload, Options> = object extends Payload
  ? [payload?: Payload, options?: Options]
  : [payload: Payload, options?: Options]

type MethodsOf<Definition extends ServiceDefinition> = Definition['methods']

/** A service, as its module defines it. */
export interface ServiceHandle<Definition extends ServiceDefinition> {
  readonly name: string
  /** Runs a method, and waits for its result. @throws PlaneError */
  readonly call: {
    readonly [Name in keyof MethodsOf<Definition>]: (
      ...given: Arguments<PayloadOf<MethodsOf<Definition>[Name]>, CallOptions>
    ) => AnswerOf<OutputOf<MethodsOf<Definition>[Name]>>
  }
  /** Has a method run later, as a job: resolves once the job is on disk. @throws PlaneError */
  readonly cast: {
    readonly [Name in keyof MethodsOf<Definition>]: (
      ...given: Arguments<InputOf<MethodsOf<Definition>[Name]>, CastOptions>
    ) => Promise<Job<JobResultOf<OutputOf<MethodsOf<Definition>[Name]>>>>
  }
}
