/**
 * Computes digests of data and hashes of passwords: work that blocks an event loop, the longer the larger the data or
 * the higher the cost.
 *
 * `Buffer.from` skips characters that it cannot decode, so that different inputs would have the same digest. Here the
 * schemas refuse such input.
 */
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const ENCODINGS = { utf8: 'well-formed Unicode', base64: 'padded base64', hex: 'hexadecimal' } as const

/** True if the text decodes completely: then encoding the bytes again gives the same text. */
function isEncoded(text: string, encoding: keyof typeof ENCODINGS): boolean {
  return Buffer.from(text, encoding).toString(encoding) === (encoding === 'hex' ? text.toLowerCase() : text)
}

// Of the text and of the password in the examples.
const EXAMPLE_DIGEST = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
const EXAMPLE_HASH = '$scrypt$ln=15,r=8,p=3$dGhyZWFkcGxhbmUtc2FsdA$IP19GVz0ikZ9B/x+CLpwQDjRi9tIsKW8omUX5zU1o4U'

const content = {
  algorithm: z.enum(['sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-384', 'sha3-512']),
  data: z
    .string()
    .max(8 * 1024 * 1024)
    .meta({ examples: ['hello'] }),
  encoding: z.enum(['utf8', 'base64', 'hex']).default('utf8').describe('How `data` is encoded'),
  output: z.enum(['hex', 'base64']).default('hex').describe('How the digest is encoded'),
}

function requireEncoding(context: z.RefinementCtx, key: string, text: string, encoding: keyof typeof ENCODINGS): void {
  if (isEncoded(text, encoding)) return
  context.addIssue({ code: 'custom', path: [key], message: `Not ${ENCODINGS[encoding]}` })
}

// 32 MiB and about 0.2 s: one of the settings that OWASP's Password Storage Cheat Sheet recommends.
const COST = { ln: 15, r: 8, p: 3 }
const SALT_BYTES = 16
const KEY_BYTES = 32

// Limits for verifying a hash that was made elsewhere: it takes 128·N·r bytes of memory, and time in proportion to
// N·r·p.
const MAX_MEMORY_BYTES = 128 * 1024 * 1024
const MAX_WORK = 2 ** 22

// With a salt of 8 to 64 bytes, and a key of 16 to 64 bytes.
const PHC =
  /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,3}),p=([1-9]\d{0,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

function deriveKey(password: string, salt: Buffer, keyBytes: number, { ln, r, p }: typeof COST): Promise<Buffer> {
  return derive(password, salt, keyBytes, { N: 2 ** ln, r, p, maxmem: 128 * r * (2 ** ln + p + 2) })
}

/** Base64 without padding, as in PHC strings. */
const toPhc = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

const password = z
  .string()
  .min(1)
  .max(1_024)
  .refine((text) => isEncoded(text, 'utf8'), `Not ${ENCODINGS.utf8}`)
  .meta({ examples: ['correct horse battery staple'] })

const storedHash = z
  .string()
  .max(256)
  .meta({ examples: [EXAMPLE_HASH] })
  .transform((text, context) => {
    const refuse = (message: string) => {
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
    const [, ln, r, p, salt = '', key = ''] = PHC.exec(text) ?? []
    const stored = {
      cost: { ln: Number(ln), r: Number(r), p: Number(p) },
      salt: Buffer.from(salt, 'base64'),
      key: Buffer.from(key, 'base64'),
    }
    if (ln === undefined || toPhc(stored.salt) !== salt || toPhc(stored.key) !== key) {
      return refuse('Not of the form $scrypt$ln=…,r=…,p=…$salt$hash')
    }
    if (stored.cost.ln >= 16 * stored.cost.r) return refuse('ln is less than 16 times r (RFC 7914)')
    const blocks = 2 ** stored.cost.ln * stored.cost.r
    if (128 * blocks > MAX_MEMORY_BYTES || blocks * stored.cost.p > MAX_WORK) return refuse('Costs too much to verify')
    return stored
  })

export default defineService({
  description: 'Digests of data, and hashes of passwords',
  methods: {
    hash: method({
      description: 'The digest of a text or of bytes',
      input: z.object(content).superRefine(({ data, encoding }, context) => {
        requireEncoding(context, 'data', data, encoding)
      }),
      output: z.object({
        digest: z.string(),
        algorithm: content.algorithm,
        bytes: z.int().describe('How many bytes were hashed'),
      }),
      handler: ({ algorithm, data, encoding, output }) => {
        const bytes = Buffer.from(data, encoding)
        return { digest: createHash(algorithm).update(bytes).digest(output), algorithm, bytes: bytes.length }
      },
    }),

    verify: method({
      description: 'Whether the digest of a text or of bytes equals the expected one, compared in constant time',
      input: z
        .object({
          ...content,
          expected: z
            .string()
            .max(128)
            .meta({ description: 'The digest, encoded as `output` says', examples: [EXAMPLE_DIGEST] }),
        })
        .superRefine(({ data, encoding, expected, output }, context) => {
          requireEncoding(context, 'data', data, encoding)
          requireEncoding(context, 'expected', expected, output)
        }),
      output: z.object({ valid: z.boolean() }),
      handler: ({ algorithm, data, encoding, expected, output }) => {
        const digest = createHash(algorithm).update(data, encoding).digest()
        const wanted = Buffer.from(expected, output)
        return { valid: digest.length === wanted.length && timingSafeEqual(digest, wanted) }
      },
    }),

    hashPassword: method({
      description:
        'Hashes a password with scrypt and a random salt, as a PHC string. Do not cast it: the journal stores payloads',
      input: z.object({ password }),
      output: z.object({ hash: z.string() }),
      handler: async ({ password }) => {
        const salt = randomBytes(SALT_BYTES)
        const key = await deriveKey(password, salt, KEY_BYTES, COST)
        return { hash: `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${toPhc(salt)}$${toPhc(key)}` }
      },
    }),

    verifyPassword: method({
      description: 'Whether a password matches a PHC string of scrypt, compared in constant time',
      input: z.object({ password, hash: storedHash }),
      output: z.object({ valid: z.boolean() }),
      handler: async ({ password, hash }) => {
        const key = await deriveKey(password, hash.salt, hash.key.length, hash.cost)
        return { valid: timingSafeEqual(key, hash.key) }
      },
    }),
  },
})
