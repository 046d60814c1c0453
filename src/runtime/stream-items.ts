/**
 * Runs the async generator of a method that returns a stream: takes one item after the other, parses it, and either
 * sends it to the consumer, as far as its credit allows, or collects it for the result of a job.
 */
import type { z } from 'zod'
import { toWireError } from '../contract/errors.ts'
import { parseWithSchema } from './parse-with-schema.ts'
import { type Serialized, serializeResult, tooLarge } from './serialize-result.ts'
import type { StreamCredit } from './stream-credit.ts'
import { CLONE_BYTES, ITEM_OVERHEAD_BYTES } from './stream-limits.ts'

/** Where the items of a stream go. */
export interface StreamSink {
  /** Resolves once there is room for an item. */
  ready(): Promise<void>
  /** Returns a failure if the item cannot be serialised or is too large. */
  accept(item: unknown): Serialized | undefined
  /** The result of the method, after the last item. */
  end(): Serialized
}

/** Sends each item to the consumer as soon as there is credit. */
export class ItemSender implements StreamSink {
  readonly #credit: StreamCredit
  readonly #asText: boolean
  readonly #maxBytes: number
  readonly #send: (value: unknown, cost: number) => void

  /**
   * @param asText true: items are sent as JSON text; false: as structured clones
   * @param maxBytes limit of one item
   */
  constructor(credit: StreamCredit, asText: boolean, maxBytes: number, send: (value: unknown, cost: number) => void) {
    this.#credit = credit
    this.#asText = asText
    this.#maxBytes = maxBytes
    this.#send = send
  }

  ready(): Promise<void> {
    return this.#credit.available()
  }

  accept(item: unknown): Serialized | undefined {
    const serialized = this.#asText ? serializeResult(item, this.#maxBytes) : clone(item)
    if (!serialized.ok) return serialized
    const { value } = serialized
    const cost = this.#asText ? (value as string).length + ITEM_OVERHEAD_BYTES : CLONE_BYTES
    this.#credit.spend(cost)
    this.#send(value, cost)
    return undefined
  }

  end(): Serialized {
    return { ok: true, value: undefined }
  }
}

/**
 * Clones an item at once. If posting the message were the first to clone it, a failure would come too late: the items
 * after this one would already be sent.
 */
function clone(item: unknown): Serialized {
  try {
    return { ok: true, value: structuredClone(item) }
  } catch (error) {
    return { ok: false, failure: { kind: 'notSerializable', detail: toWireError(error).message } }
  }
}

/** Collects all items in a JSON array, which is the result of a job. */
export class ItemCollector implements StreamSink {
  readonly #items: string[] = []
  readonly #maxBytes: number
  #bytes = 0

  /** @param maxBytes limit of all items together */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  async ready(): Promise<void> {}

  accept(item: unknown): Serialized | undefined {
    const serialized = serializeResult(item, this.#maxBytes)
    if (!serialized.ok) return serialized
    const json = serialized.value as string
    this.#items.push(json)
    this.#bytes += Buffer.byteLength(json) + 1
    return this.#bytes < this.#maxBytes ? undefined : tooLarge(this.#maxBytes)
  }

  end(): Serialized {
    return { ok: true, value: `[${this.#items.join(',')}]` }
  }
}

/** Resolves when the generator has ended, or has returned because an item was refused or the signal has fired. */
export async function runStream(
  items: AsyncIterable<unknown>,
  schema: z.ZodType,
  signal: AbortSignal,
  sink: StreamSink,
): Promise<Serialized> {
  const iterator = items[Symbol.asyncIterator]()
  const endIterator = async () => void (await iterator.return?.())
  // At once, not when `next()` has resolved: an iterator that is no generator may wait there for ever.
  signal.addEventListener('abort', () => void endIterator().catch(() => {}), { once: true })
  let refused: Serialized | undefined
  while (refused === undefined && !signal.aborted) {
    await sink.ready()
    if (signal.aborted) break
    const { done, value } = await iterator.next()
    if (done) return sink.end()
    const parsed = await parseWithSchema(schema, value)
    if (signal.aborted) break
    refused = parsed.ok
      ? sink.accept(parsed.value)
      : { ok: false, failure: { kind: 'resultRefused', issues: parsed.issues } }
  }
  await endIterator()
  return refused ?? sink.end()
}
