/**
 * The body of a call, as it came: bytes, or JSON so large that only the thread parses it. A thread is given a copy in
 * one piece, in a buffer of its own that is transferred. The pieces stay here until the call has ended: what a thread
 * was handed and has not begun when it dies goes to another one whole.
 */
import { JSON_TYPE } from './media-types.ts'
import { releaseBuffers } from './release-buffers.ts'

export class BytePayload {
  readonly contentType: string | undefined
  readonly size: number
  readonly #pieces: readonly Uint8Array[]

  constructor(contentType: string | undefined, pieces: readonly Uint8Array[]) {
    this.contentType = contentType
    this.#pieces = pieces
    this.size = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  /** No method takes JSON as bytes: so it is to be parsed. */
  get isJson(): boolean {
    return this.contentType !== undefined && JSON_TYPE.test(this.contentType)
  }

  /** As a whole, not copied where it came so. */
  get whole(): Uint8Array {
    const [first, ...others] = this.#pieces
    return first !== undefined && others.length === 0 ? first : this.join()
  }

  /** Anew each time, in a buffer that nobody else has a part of. */
  join(): Uint8Array<ArrayBuffer> {
    // Not of Node's pool, and not filled with zeros before it is filled.
    const joined = Buffer.allocUnsafeSlow(this.size)
    let at = 0
    for (const piece of this.#pieces) {
      joined.set(piece, at)
      at += piece.byteLength
    }
    return joined
  }

  /** Nobody needs it any more, and its pieces are nobody else's. */
  release(): void {
    releaseBuffers(this.#pieces)
  }
}
