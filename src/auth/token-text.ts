/**
 * The text of a token: `tp_`, 30 random characters, and a checksum of 6. The prefix lets scanners find a leaked token,
 * the checksum tells a typing error from a wrong token. Only the hash of a token is stored: 178 random bits cannot be
 * guessed, so the hash needs not be a slow one.
 */
import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'tp_'
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM_LENGTH = 30
const CHECKSUM_LENGTH = 6
const TOKEN = new RegExp(`^${PREFIX}([0-9A-Za-z]{${RANDOM_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`)
/** Characters of a token that a list shows: the prefix and four more. */
const HINT_LENGTH = PREFIX.length + 4

export function newToken(): string {
  const random = randomText(RANDOM_LENGTH)
  return `${PREFIX}${random}${checksumOf(random)}`
}

/** Is it a token as {@link newToken} makes them? False also after a typing error. */
export function isTokenText(text: string): boolean {
  const [, random, checksum] = TOKEN.exec(text) ?? []
  return random !== undefined && checksumOf(random) === checksum
}

export function hashOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

/** The beginning of a token, by which a person recognises it. */
export function hintOf(token: string): string {
  return token.slice(0, HINT_LENGTH)
}

function randomText(length: number): string {
  // A byte from here on is drawn again: with it, the first characters of the alphabet would be likelier.
  const fair = 256 - (256 % ALPHABET.length)
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < fair && text.length < length) text += ALPHABET[byte % ALPHABET.length]
    }
  }
  return text
}

function checksumOf(random: string): string {
  let left = crc32(random)
  let text = ''
  for (let digit = 0; digit < CHECKSUM_LENGTH; digit += 1) {
    text = ALPHABET[left % ALPHABET.length] + text
    left = Math.floor(left / ALPHABET.length)
  }
  return text
}
