/**
 * Takes the items of a stream from their generator, and brings them to where they are wanted: one after the other, and no
 * more than are taken there (P5).
 */
import type { z } from 'zod'
import { toWireError } from '../contract/errors.ts'
import { parse } from './parse-with-schema.ts'
import { type Serialized, serializeResult, tooLarge } from './serialize-result.ts'

/** What may be on its way to whoever takes the items, in bytes. */
const WINDOW_BYTES = 256 * 1024
/** Of an item, beside its JSON. One that is cloned has no size that is known, and counts as a sixteenth of the window. */
const ITEM_BYTES = 64
const CLONE_BYTES = WINDOW_BYTES / 16

/** How much more may be sent. */
export class Credits {
  #left = WINDOW_BYTES
  #wake = () => {}

  spend(bytes: number): void {
    this.#left -= bytes
  }

  give(bytes: number): void {
    this.#left += bytes
    this.#wake()
  }

  /** Resolves once there is room for an item, of whatever size. */
  async some(): Promise<void> {
    while (this.#left <= 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

export interface Sink {
  /** Resolves once it takes another item. */
  ready(): Promise<void>
  /** What is wrong with it, if anything is. */
  take(item: unknown): Serialized | undefined
  end(): Serialized
}

/** For a client: each item is sent as soon as there is room for it. */
export class SentItems implements Sink {
  readonly #credits: Credits
  readonly #isText: boolean
  readonly #maxBytes: number
  readonly #send: (value: unknown, cost: number) => void

  /** @param maxBytes of one item */
  constructor(credits: Credits, isText: boolean, maxBytes: number, send: (value: unknown, cost: number) => void) {
    this.#credits = credits
    this.#isText = isText
    this.#maxBytes = maxBytes
    this.#send = send
  }

  ready(): Promise<void> {
    return this.#credits.some()
  }

  take(item: unknown): Serialized | undefined {
    const serialized = this.#isText ? serializeResult(item, this.#maxBytes) : cloned(item)
    if (!serialized.ok) return serialized
    const { value } = serialized
    const cost = this.#isText ? (value as string).length + ITEM_BYTES : CLONE_BYTES
    this.#credits.spend(cost)
    this.#send(value, cost)
    return undefined
  }

  end(): Serialized {
    return { ok: true, value: undefined }
  }
}

/** Now, and not with the messages of this turn: what comes after it must not arrive without it. */
function cloned(item: unknown): Serialized {
  try {
    return { ok: true, value: structuredClone(item) }
  } catch (error) {
    return { ok: false, failure: { kind: 'notSerializable', detail: toWireError(error).message } }
  }
}

/** For a job, whose result is all of them: a JSON array. */
export class CollectedItems implements Sink {
  readonly #items: string[] = []
  readonly #maxBytes: number
  #bytes = 0

  /** @param maxBytes of all items */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  async ready(): Promise<void> {}

  take(item: unknown): Serialized | undefined {
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

/** Once the signal fires, the generator is told to return; either way this resolves when it has ended. */
export async function takeItems(
  items: AsyncIterable<unknown>,
  schema: z.ZodType,
  signal: AbortSignal,
  sink: Sink,
): Promise<Serialized> {
  const iterator = items[Symbol.asyncIterator]()
  // At once: one that is no generator may be waiting for what never comes.
  const leave = async () => void (await iterator.return?.())
  signal.addEventListener('abort', () => void leave().catch(() => {}), { once: true })
  let refused: Serialized | undefined
  while (refused === undefined && !signal.aborted) {
    await sink.ready()
    if (signal.aborted) break
    const { done, value } = await iterator.next()
    if (done) return sink.end()
    const parsed = await parse(schema, value)
    if (signal.aborted) break
    refused = parsed.ok
      ? sink.take(parsed.value)
      : { ok: false, failure: { kind: 'resultRefused', issues: parsed.issues } }
  }
  await leave()
  return refused ?? sink.end()
}
