/**
 * What the module of a service says of itself: its methods, their schemas and options (P1). The description comes from the
 * data folder, from a thread that is launched to describe the module, or from each thread that starts.
 */
import { isDeepStrictEqual } from 'node:util'
import { resolvesWithin } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import type { MethodDescription, ServiceDescription } from '../contract/description.ts'
import { type PayloadIssue, RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import { BytePayload } from '../payload/byte-payload.ts'
import { SEND_JSON, takesType } from '../payload/media-types.ts'
import { PayloadValidator } from '../payload/validator.ts'
import { describeModule } from '../threads/describe-module.ts'
import type { ThreadSession } from '../threads/thread-session.ts'

export interface ModuleContractSettings {
  name: string
  /** `file:` URL of the module. */
  moduleUrl: string
  /** If it is known from an earlier start. */
  description: ServiceDescription | undefined
  /** Why the module cannot be used. */
  refusal: Error | undefined
  log: ServiceLog
}

/** A thread is launched to describe the module, or has described it and waits to be started or ended. */
type Describing =
  | { kind: 'none' }
  | { kind: 'asking'; done: Promise<void>; abort: AbortController }
  | { kind: 'described'; session: ThreadSession }

export class ModuleContract {
  description: ServiceDescription | undefined
  readonly #settings: ModuleContractSettings
  readonly #onLearned: (description: ServiceDescription) => void
  #validators = new Map<string, PayloadValidator>()
  #describing: Describing = { kind: 'none' }
  /** Resolves with the first description. Rejected, and made anew, when nothing is under way that could bring one. */
  #known = new Deferred<void>()

  /** @param onLearned called with each description that differs from the one before */
  constructor(settings: ModuleContractSettings, onLearned: (description: ServiceDescription) => void) {
    this.#settings = settings
    this.#onLearned = onLearned
    if (settings.description !== undefined) this.#keep(settings.description)
  }

  /** Why the module is never loaded. */
  get refusal(): Error | undefined {
    return this.#settings.refusal
  }

  learn(description: ServiceDescription): void {
    if (isDeepStrictEqual(description, this.description)) return
    this.#keep(description)
    this.#onLearned(description)
  }

  #keep(description: ServiceDescription): void {
    this.description = description
    this.#validators = new Map(
      Object.entries(description.methods).map(([name, method]) => [name, new PayloadValidator(method)]),
    )
    this.#known.resolve()
  }

  /**
   * Launches a thread in which the module describes itself. Callers at the same time share it.
   * @param keepThread do not end the thread: until `endDescribed`, `takeDescribed` returns it
   * @throws START_FAILED, MODULE_REFUSED
   */
  async describe(options: ResolvedServiceOptions, { keepThread = false } = {}): Promise<void> {
    if (this.refusal !== undefined) throw this.refusal
    if (this.#describing.kind !== 'asking') {
      void this.endDescribed()
      const abort = new AbortController()
      this.#describing = { kind: 'asking', done: this.#describe(options, abort.signal), abort }
    }
    await this.#describing.done
    if (!keepThread) await this.endDescribed()
  }

  async #describe(
    { startTimeoutMs, isolation, limits, env }: ResolvedServiceOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const { name: service, moduleUrl: module, log } = this.#settings
    try {
      const session = await describeModule({ service, module, isolation, limits, env, log, startTimeoutMs, signal })
      this.#describing = { kind: 'described', session }
      this.learn(await session.described)
    } catch (error) {
      this.#describing = { kind: 'none' }
      throw error
    }
  }

  /** The thread in which the module has described itself, if it is healthy. The caller starts it. */
  takeDescribed(): ThreadSession | undefined {
    if (this.#describing.kind !== 'described') return undefined
    const { session } = this.#describing
    if (session.worker.isStopped || !session.responsive) {
      void this.endDescribed()
      return undefined
    }
    this.#describing = { kind: 'none' }
    return session
  }

  /** Ends the thread in which the module has described itself, unless it was taken. */
  async endDescribed(): Promise<void> {
    if (this.#describing.kind !== 'described') return
    const { session } = this.#describing
    this.#describing = { kind: 'none' }
    await session.terminate()
  }

  /** Another version takes effect: callers that wait for this description wait for the other one. */
  supersededBy(next: ModuleContract): void {
    void this.stopDescribing()
    next.#known.promise.then(
      () => this.#known.resolve(),
      (error: Error) => this.#known.reject(error),
    )
  }

  async stopDescribing(): Promise<void> {
    if (this.#describing.kind === 'asking') {
      this.#describing.abort.abort()
      await this.#describing.done.catch(() => {})
    }
    await this.endDescribed()
  }

  /** Resolves once the module has described itself. @throws SERVICE_NOT_RUNNING, DEADLINE_EXCEEDED */
  async whenKnown(timeoutMs: number): Promise<void> {
    const { name: service } = this.#settings
    if (await resolvesWithin(this.#known.promise, timeoutMs)) return
    throw new ThreadplaneError('DEADLINE_EXCEEDED', `${service} has not described itself within ${timeoutMs} ms`, {
      service,
      started: false,
    })
  }

  /** Fails callers that wait for the description, unless a thread is describing the module now. */
  rejectWaiters(why: Error | undefined): void {
    if (this.description !== undefined || this.#describing.kind === 'asking') return
    const { name: service } = this.#settings
    const detail = `${service} has not described itself: ${why?.message ?? 'it was stopped'}`
    this.#known.reject(
      new ThreadplaneError('SERVICE_NOT_RUNNING', detail, {
        service,
        started: false,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      }),
    )
    this.#known = new Deferred()
  }

  /** The description of a method. @throws METHOD_NOT_FOUND, with the names that exist */
  method(name: string): MethodDescription {
    const { name: service } = this.#settings
    const methods = this.description?.methods ?? {}
    if (Object.hasOwn(methods, name)) return methods[name] as MethodDescription
    const names = Object.keys(methods).join(', ')
    const detail = `${service} has no method ${JSON.stringify(name)}; it has: ${names}`
    throw new ThreadplaneError('METHOD_NOT_FOUND', detail, { service })
  }

  /**
   * Validates with the widened schema. A payload that only the original schema refuses is refused in the thread.
   * @throws VALIDATION_FAILED; UNSUPPORTED_MEDIA_TYPE if the method takes bytes
   */
  validate(method: string, payload: unknown): void {
    if (payload instanceof BytePayload) this.checkMediaType(method, payload.contentType)
    this.checkTakesJson(method)
    const issues = this.#validators.get(method)?.validate(payload)
    if (issues !== undefined) throw this.refused(method, issues)
  }

  /** The error of a payload that its schema refuses. */
  refused(method: string, errors: PayloadIssue[]): ThreadplaneError {
    const { name: service } = this.#settings
    const detail = `the payload of ${service}.${method} was refused`
    return new ThreadplaneError('VALIDATION_FAILED', detail, { service, method, errors })
  }

  /** @throws UNSUPPORTED_MEDIA_TYPE if the method is known to take bytes */
  checkTakesJson(method: string): void {
    const types = this.description?.methods[method]?.inputBytes?.types
    if (types === undefined) return
    const { name: service } = this.#settings
    const detail = `${service}.${method} takes bytes (${types.join(', ')}) as the body of a call; no JSON, and no job`
    throw new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', detail, { service, method })
  }

  /** Checks the content type of bytes before they are read. @throws METHOD_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE */
  checkMediaType(method: string, contentType: string | undefined): void {
    const { inputBytes } = this.method(method)
    if (inputBytes !== undefined && takesType(inputBytes, contentType)) return
    const { name: service } = this.#settings
    const takes = inputBytes === undefined ? SEND_JSON : `${service}.${method} takes ${inputBytes.types.join(', ')}`
    const detail = `the content type is ${contentType ?? 'none'}: ${takes}`
    throw new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', detail, { service, method })
  }

  /** @throws METHOD_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE */
  checkBytes(method: string, { contentType, size }: BytePayload): void {
    this.checkMediaType(method, contentType)
    const { maxBytes = size } = this.method(method).inputBytes ?? {}
    if (size <= maxBytes) return
    const { name: service } = this.#settings
    const detail = `${service}.${method} takes at most ${maxBytes} bytes; these are ${size}`
    throw new ThreadplaneError('PAYLOAD_TOO_LARGE', detail, { service, method })
  }
}
