/**
 * Checks bodies that are too large for the control thread, in a thread of its own. The thread is created for the first
 * such body.
 */
import { Worker } from 'node:worker_threads'
import { resolvesWithin } from '../async/deadline.ts'
import type { JsonSchema } from '../contract/description.ts'
import { fromWireError, ThreadplaneError, type WireError } from '../contract/errors.ts'
import type { CheckedPayload } from './check-payload.ts'

/** To the thread. */
export interface CheckMessage {
  id: number
  body: Uint8Array
  kind: 'one' | 'lines'
  /** See `checkPayload`. */
  keyedBy?: readonly unknown[] | undefined
  /** 0: any JSON passes. */
  schemaId: number
  /** With the first body for this schema. */
  schema?: JsonSchema
  /** The id of a schema that the thread may forget. */
  forget?: number
}

/** From the thread. */
export type CheckAnswer = { id: number; checked: CheckedPayload[] } | { id: number; error: WireError }

/** Schemas that the thread keeps ready. */
const MAX_SCHEMAS = 200

interface Waiting {
  resolve: (checked: CheckedPayload[]) => void
  reject: (error: Error) => void
}

export class PayloadChecker {
  #worker: Worker | undefined
  readonly #waiting = new Map<number, Waiting>()
  /** Schemas that the thread knows → their ids; the oldest first. */
  #known = new Map<JsonSchema, number>()
  #lastId = 0

  /**
   * Checks a body that is one payload.
   * @param body of its own buffer, which is transferred
   * @param schema the widened schema of the method
   * @param keyedBy see `checkPayload`
   * @throws PAYLOAD_TOO_LARGE if it takes more memory than the thread has; DEADLINE_EXCEEDED
   */
  async one(
    body: Uint8Array<ArrayBuffer>,
    schema: JsonSchema | undefined,
    timeoutMs: number,
    keyedBy?: readonly unknown[],
  ): Promise<CheckedPayload> {
    const asked = { body, kind: 'one', keyedBy, ...this.#introduce(schema) } as const
    const [checked] = await within(timeoutMs, this.#ask(asked))
    return checked as CheckedPayload
  }

  /** Checks each line of a body. @throws PAYLOAD_TOO_LARGE, MALFORMED_BODY, DEADLINE_EXCEEDED */
  lines(body: Uint8Array<ArrayBuffer>, schema: JsonSchema | undefined, timeoutMs: number): Promise<CheckedPayload[]> {
    return within(timeoutMs, this.#ask({ body, kind: 'lines', ...this.#introduce(schema) }))
  }

  #introduce(schema: JsonSchema | undefined): Pick<CheckMessage, 'schemaId' | 'schema' | 'forget'> {
    if (schema === undefined) return { schemaId: 0 }
    const known = this.#known.get(schema)
    if (known !== undefined) return { schemaId: known }
    this.#lastId += 1
    const schemaId = this.#lastId
    this.#known.set(schema, schemaId)
    const [oldest] = this.#known
    if (this.#known.size <= MAX_SCHEMAS || oldest === undefined) return { schemaId, schema }
    this.#known.delete(oldest[0])
    return { schemaId, schema, forget: oldest[1] }
  }

  #ask(message: Omit<CheckMessage, 'id'> & { body: Uint8Array<ArrayBuffer> }): Promise<CheckedPayload[]> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage({ ...message, id }, [message.body.buffer])
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('../payload/checking-thread.js', import.meta.url), { name: 'payload-checker' })
    worker.on('message', (answer: CheckAnswer) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (this.#waiting.size === 0) worker.unref()
      if ('error' in answer) waiting?.reject(fromWireError(answer.error))
      else waiting?.resolve(answer.checked)
    })
    // Its memory was exhausted. Nothing else can end it.
    worker.on('error', (cause) => this.#ended(cause))
    return worker
  }

  #ended(cause: Error): void {
    this.#worker = undefined
    this.#known = new Map()
    const detail = 'a body that was being checked took more memory than there is'
    for (const { reject } of this.#waiting.values()) {
      reject(new ThreadplaneError('PAYLOAD_TOO_LARGE', detail, { cause }))
    }
    this.#waiting.clear()
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }
}

async function within<T>(timeoutMs: number, checking: Promise<T>): Promise<T> {
  if (await resolvesWithin(checking, timeoutMs)) return checking
  const detail = `the body was not checked within ${timeoutMs} ms: others were before it`
  throw new ThreadplaneError('DEADLINE_EXCEEDED', detail, { started: false })
}
