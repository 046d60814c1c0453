/** The kinds of values that settings accept, and what a message says that they must be. */
import bytes from 'bytes-iec'
import ms from 'ms'
import { z } from 'zod'
import { LABEL_PATTERN } from './options.ts'

const A_DURATION = 'a duration from 1ms to 24h, such as 500ms or 9s'
const A_DELAY = 'a duration from 0s to 10m, such as 3s'
const A_LEASE = 'a duration from 2s to 10m, such as 5s'
const A_RETENTION = 'a duration from 1ms to 365d, such as 24h or 7d'
const A_SIZE = 'a size from 1B to 256MiB, such as 512KiB or 10MiB'
const A_COUNT = 'a whole number from 1 to 1000000'
const A_DATABASE = 'a URL that begins with postgres:// or postgresql://'
const A_SCHEMA = 'a name of small letters, digits and _, such as threadplane'
const SOME_CONNECTIONS = 'a whole number from 2 to 100'
const A_PORT = 'a port from 0 to 65535'
const A_PORT_TO_TELL = 'a port from 1 to 65535'

export const duration = durationTo('24h', A_DURATION)
export const delay = durationTo('10m', A_DELAY, '0s')
export const retention = durationTo('365d', A_RETENTION)
/** Shorter than this, a busy node would be taken for gone. */
export const lease = durationTo('10m', A_LEASE, '2s')
export const size = z
  .string()
  .regex(/^\d+(\.\d+)?([KMG]i?B|B)$/, A_SIZE)
  .transform((text) => bytes.parse(text) as number)
  .pipe(
    z
      .int(A_SIZE)
      .min(1, A_SIZE)
      .max(256 * 1024 * 1024, A_SIZE),
  )
export const count = z
  .string()
  .regex(/^\d{1,7}$/, A_COUNT)
  .transform(Number)
  .pipe(z.int().min(1, A_COUNT).max(1_000_000, A_COUNT))
export const flag = z.enum(['true', 'false'], 'true or false').transform((text) => text === 'true')
export const port = z
  .string()
  .regex(/^\d{1,5}$/, A_PORT)
  .transform(Number)
  .pipe(z.int().max(65_535, A_PORT))

/** A port that others are told of before it is listened on. */
export const portToTell = z
  .string()
  .regex(/^\d{1,5}$/, A_PORT_TO_TELL)
  .transform(Number)
  .pipe(z.int().min(1, A_PORT_TO_TELL).max(65_535, A_PORT_TO_TELL))

export const databaseUrl = z.string().regex(/^(postgres(ql)?:\/\/\S+)?$/, A_DATABASE)
export const databaseSchema = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, A_SCHEMA)
export const connections = z
  .string()
  .regex(/^\d{1,3}$/, SOME_CONNECTIONS)
  .transform(Number)
  .pipe(z.int().min(2, SOME_CONNECTIONS).max(100, SOME_CONNECTIONS))

/** A name or an address, with or without a port; `*`: any. */
const HOST = /^(\*|([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?)$/
export const hosts = z
  .string()
  .transform((text) =>
    text.trim() === ''
      ? []
      : text
          .toLowerCase()
          .split(',')
          .map((host) => host.trim()),
  )
  .pipe(
    z.array(
      z.string().regex(HOST, 'names with or without a port, separated by commas, such as a.example,b.example:8080'),
    ),
  )

const ORIGIN = /^https?:\/\/([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?$/
export const origins = z
  .string()
  .transform((text) => (text.trim() === '' ? [] : text.split(',').map((origin) => origin.trim())))
  .pipe(
    z.array(z.string().regex(ORIGIN, 'origins as browsers send them, separated by commas, such as https://a.example')),
  )

const SOME_LABELS = 'keys and values of letters, digits, `.`, `_` and `-`, separated by commas, such as disk=ssd,zone=a'
export const labels = z
  .string()
  .refine((text) => textsOf(text).every(isLabel), SOME_LABELS)
  .transform((text): Record<string, string> => Object.fromEntries(textsOf(text).map((label) => label.split('='))))

function isLabel(text: string): boolean {
  const parts = text.split('=')
  return parts.length === 2 && parts.every((part) => LABEL_PATTERN.test(part))
}

function textsOf(list: string): string[] {
  return list.trim() === '' ? [] : list.split(',').map((text) => text.trim())
}

const NODE_URL = /^(https?:\/\/([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[\da-f:.]+\])(:\d{1,5})?)?$/i
export const nodeUrl = z.string().regex(NODE_URL, 'http:// or https://, a name or an address, and a port')

function durationTo(most: ms.StringValue, expected: string, least: ms.StringValue = '1ms') {
  return z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, expected)
    .transform((text) => ms(text as ms.StringValue))
    .pipe(z.number().min(ms(least), expected).max(ms(most), expected))
}
