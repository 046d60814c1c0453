/**
 * What a service's module has said of itself: its methods, their schemas, and the wait for that. Learned from the
 * data folder, from a thread that is launched for that, or from each that starts (P1).
 */
import { isDeepStrictEqual } from 'node:util'
import type { MethodDescription, ServiceDescription } from '../contract/description.ts'
import type { ServiceLog } from '../contract/log.ts'
import { BytePayload } from '../payload/byte-payload.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { SEND_JSON, takesType } from '../payload/media-types.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import { PayloadValidator } from '../payload/validator.ts'
import { Deferred } from '../async/deferred.ts'
import { describeModule } from '../threads/describe-module.ts'
import type { ThreadSession } from '../threads/thread-session.ts'
import { within } from '../async/deadline.ts'

export interface ModuleContractSettings {
  name: string
  /** `file:` URL of the module. */
  moduleUrl: string
  /** If it is known from an earlier start. */
  description: ServiceDescription | undefined
  log: ServiceLog
}

/** How soon a client may try again at a module that nobody is about to ask what it is. */
const RETRY_AFTER_SECONDS = 5

export class ModuleContract {
  description: ServiceDescription | undefined
  readonly #settings: ModuleContractSettings
  readonly #onLearned: (description: ServiceDescription) => void
  #validators = new Map<string, PayloadValidator>()
  /** The module is being asked what it is. */
  #describing: { done: Promise<void>; abort: () => void } | undefined
  /** The thread in which it was, until that is started or ended. */
  #described: ThreadSession | undefined
  /** Rejected, and made anew, where nobody is about to learn what the module is. */
  #known = new Deferred<void>()

  /** @param onLearned is told of a description that is new */
  constructor(settings: ModuleContractSettings, onLearned: (description: ServiceDescription) => void) {
    this.#settings = settings
    this.#onLearned = onLearned
    if (settings.description !== undefined) this.#keep(settings.description)
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
   * Asks the module in a thread; those who ask meanwhile share it.
   * @param keepThread it is there to be taken, until `endDescribed`
   * @throws START_FAILED, MODULE_REFUSED
   */
  async describe(options: ResolvedServiceOptions, { keepThread = false } = {}): Promise<void> {
    const abort = new AbortController()
    this.#describing ??= { done: this.#describe(options, abort.signal), abort: () => abort.abort() }
    await this.#describing.done
    if (!keepThread) await this.endDescribed()
  }

  async #describe({ startTimeoutMs, isolation, limits }: ResolvedServiceOptions, signal: AbortSignal): Promise<void> {
    const { name: service, moduleUrl: module, log } = this.#settings
    try {
      this.#described = await describeModule({ service, module, isolation, limits, log, startTimeoutMs, signal })
      this.learn(await this.#described.described)
    } finally {
      this.#describing = undefined
    }
  }

  /** The thread in which the module has described itself, if it is there and well: to be started. */
  takeDescribed(): ThreadSession | undefined {
    if (this.#described?.worker.isStopped || this.#described?.responsive === false) void this.endDescribed()
    const described = this.#described
    this.#described = undefined
    return described
  }

  /** Unless it was taken. */
  async endDescribed(): Promise<void> {
    const described = this.#described
    this.#described = undefined
    await described?.terminate()
  }

  /** The service has another version from now on: whoever waits for this description waits for that one. */
  supersededBy(next: ModuleContract): void {
    void this.stopDescribing()
    next.#known.promise.then(
      () => this.#known.resolve(),
      (error: Error) => this.#known.reject(error),
    )
  }

  async stopDescribing(): Promise<void> {
    this.#describing?.abort()
    await this.#describing?.done.catch(() => {})
    await this.endDescribed()
  }

  /** Resolves once the module has described itself. @throws SERVICE_NOT_RUNNING, DEADLINE_EXCEEDED */
  async whenKnown(timeoutMs: number): Promise<void> {
    const { name: service } = this.#settings
    if (await within(this.#known.promise, timeoutMs)) return
    throw new ThreadplaneError('DEADLINE_EXCEEDED', `${service} has not described itself within ${timeoutMs} ms`, {
      service,
      started: false,
    })
  }

  /** Unless somebody is asking, nobody is about to learn what the module is: those who wait for that are told. */
  rejectWaiters(why: Error | undefined): void {
    if (this.description !== undefined || this.#describing !== undefined) return
    const { name: service } = this.#settings
    this.#known.reject(
      new ThreadplaneError(
        'SERVICE_NOT_RUNNING',
        `${service} has not described itself: ${why?.message ?? 'it was stopped'}`,
        {
          service,
          started: false,
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        },
      ),
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
   * With the widened schema: what only the thread can refuse passes.
   * @throws VALIDATION_FAILED; UNSUPPORTED_MEDIA_TYPE if the method takes bytes
   */
  validate(method: string, payload: unknown): void {
    const { name: service } = this.#settings
    if (payload instanceof BytePayload) this.checkMediaType(method, payload.contentType)
    this.checkTakesJson(method)
    const errors = this.#validators.get(method)?.validate(payload)
    if (errors === undefined) return
    const detail = `the payload of ${service}.${method} was refused`
    throw new ThreadplaneError('VALIDATION_FAILED', detail, { service, method, errors })
  }

  /** @throws UNSUPPORTED_MEDIA_TYPE if the method is known to take bytes */
  checkTakesJson(method: string): void {
    const types = this.description?.methods[method]?.inputBytes?.types
    if (types === undefined) return
    const { name: service } = this.#settings
    const detail = `${service}.${method} takes bytes (${types.join(', ')}) as the body of a call; no JSON, and no job`
    throw new ThreadplaneError('UNSUPPORTED_MEDIA_TYPE', detail, { service, method })
  }

  /** Does a method take bytes of this type? Asked before they are read. @throws METHOD_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE */
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
