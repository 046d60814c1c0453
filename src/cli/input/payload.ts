/**
 * The payload of a call, a cast or a change of options, in any of its forms:
 *
 *     '{"a":1}'     JSON          @file   the content of a file       -      standard input
 *     a=1 b:=2      members of an object: a is the text "1", b the JSON 2
 *     --edit        in $EDITOR
 */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { UsageError } from '../exit-codes.ts'

/** No server takes more: see THREADPLANE_MAX_BODY. */
const MAX_BYTES = 256 * 1024 * 1024
/** `name=` or `name:=`. */
const MEMBER = /^([^\s=:{["@][^=:]*)(:?=)([^]*)$/

/** The bytes of the payload; `undefined`: there is none. @throws UsageError */
export async function readPayload(words: readonly string[], stdin: Readable): Promise<Buffer | undefined> {
  const [first, ...more] = words
  if (first === undefined) return undefined
  if (more.length === 0 && first === '-') return readAll(stdin, 'standard input')
  if (more.length === 0 && first.startsWith('@')) return readFile(first.slice(1))
  if (MEMBER.test(first)) return Buffer.from(JSON.stringify(members(words)))
  if (more.length > 0) throw new UsageError(`${JSON.stringify(more[0])} is too much: quote JSON as one word`)
  return Buffer.from(first)
}

/** As {@link readPayload}, for a payload that must be JSON. */
export async function readJson(words: readonly string[], stdin: Readable): Promise<string | undefined> {
  const bytes = await readPayload(words, stdin)
  if (bytes === undefined) return undefined
  const text = bytes.toString('utf8')
  try {
    JSON.parse(text)
  } catch (error) {
    const forms = `use '{"a":1}', @file, -, a=text or a:=1`
    throw new UsageError(`the payload is no JSON (${(error as Error).message}): ${forms}`)
  }
  return text
}

function members(words: readonly string[]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const word of words) {
    const [, name, operator, text = ''] = MEMBER.exec(word) ?? []
    if (name === undefined) throw new UsageError(`${JSON.stringify(word)} is no member: use a=text or a:=1`)
    Object.defineProperty(object, name, {
      value: operator === '=' ? text : jsonOf(word, text),
      enumerable: true,
      configurable: true,
    })
  }
  return object
}

function jsonOf(word: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new UsageError(`${JSON.stringify(word)} has no JSON behind := ; for a text use =`)
  }
}

async function readFile(path: string): Promise<Buffer> {
  try {
    return await readAll(createReadStream(path), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    throw new UsageError(`cannot read the payload: ${(error as Error).message}`)
  }
}

async function readAll(stream: Readable, name: string): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of stream) {
    parts.push(Buffer.from(part as Buffer))
    bytes += (part as Buffer).length
    if (bytes > MAX_BYTES) throw new UsageError(`${name} is larger than ${MAX_BYTES / 1024 / 1024} MiB`)
  }
  return Buffer.concat(parts)
}
