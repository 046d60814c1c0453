/**
 * The body of a call that is handed to a thread as bytes: bytes for a method that takes them, or JSON so large that
 * only the thread parses it. Each thread gets a copy in a buffer of its own, which is transferred to it. The pieces in
 * which the body arrived stay here until the call has ended: if a thread dies before it began the method, the next
 * thread gets a new copy.
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

  /** True if the content type is JSON. No method takes JSON as bytes, so it has to be parsed. */
  get isJson(): boolean {
    return this.contentType !== undefined && JSON_TYPE.test(this.contentType)
  }

  /** The body in one piece; copied only if it arrived in several. */
  get whole(): Uint8Array {
    const [first, ...others] = this.#pieces
    return first !== undefined && others.length === 0 ? first : this.join()
  }

  /** A new copy of the body, in a buffer of its own. */
  join(): Uint8Array<ArrayBuffer> {
    // Not from Node's shared pool, and without filling it with zeros first.
    const joined = Buffer.allocUnsafeSlow(this.size)
    let at = 0
    for (const piece of this.#pieces) {
      joined.set(piece, at)
      at += piece.byteLength
    }
    return joined
  }

  /** Frees the memory of the body. It cannot be used afterwards. */
  release(): void {
    releaseBuffers(this.#pieces)
  }
}
