/** Methods that take and return bytes, of different media types. */
import { createHash } from 'node:crypto'
import { bytes, defineService, method } from 'threadplane/service'
import { z } from 'zod'

export default defineService({
  maxResultBytes: 2_000_000,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    same: method({ input: bytes(), output: bytes(), handler: (input) => input }),
    hash: method({ input: bytes(), handler: (input) => createHash('sha256').update(input).digest('hex') }),
    type: method({ input: bytes(), handler: (_input, { contentType }) => contentType ?? 'none' }),
    invert: method({
      description: 'The negative',
      input: bytes({ types: ['image/*', 'application/pdf'], maxBytes: 1_000 }),
      output: bytes({ types: ['image/png'] }),
      handler: (input) => input.map((byte) => 255 - byte),
    }),
    zeros: method({ input: z.int(), output: bytes(), handler: (length) => new Uint8Array(length) }),
    wrong: method({ output: bytes(), handler: () => 'text' as never }),
    json: method({ handler: (payload) => payload }),
    exit: method({ handler: () => process.exit(3) }),
  },
})
