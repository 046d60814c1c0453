/**
 * `threadplane.json` in the folder of modules: services that are declared there, with their options, configuration and
 * schedules. It is read once, at the start of the server, and is right as a whole or ends the start.
 */
import { readFile } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { z } from 'zod'
import {
  NAME_PATTERN,
  type RegistrationOptions,
  registrationOptionsSchema,
  serviceOptionsSchema,
} from '../contract/options.ts'

export const DECLARED_FILE = 'threadplane.json'
const MAX_BYTES = 1024 * 1024

/** As `z.strictObject`, and says which keys there are. */
function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `expected only the keys ${known}` : undefined),
  })
}

const name = z.string().regex(NAME_PATTERN, `a name must match ${NAME_PATTERN.source}`)

const scheduleSchema = strict({
  cron: z.string().max(256).describe('A cron expression of 5 fields, or 6 with seconds first'),
  timezone: z.string().max(64).default('UTC').describe('A time zone of the IANA database'),
  method: name,
  payload: z.unknown().optional().describe('Default: {}'),
})

const serviceSchema = strict({
  module: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .describe('A file inside the folder of modules. Default: the file with the name of the service'),
  options: serviceOptionsSchema.optional(),
  config: registrationOptionsSchema.shape.config,
  env: registrationOptionsSchema.shape.env,
  schedules: z.record(name, scheduleSchema).optional().describe('Jobs that are cast at the times of cron expressions'),
})

const declaredFileSchema = strict({
  $schema: z.string().optional(),
  services: z.record(name, serviceSchema),
})

/** For editors. */
export function declaredFileJsonSchema(): object {
  return { title: DECLARED_FILE, ...z.toJSONSchema(declaredFileSchema, { io: 'input' }) }
}

export interface DeclaredSchedule {
  cron: string
  timezone: string
  method: string
  payload: unknown
}

export interface DeclaredService {
  /** Relative to the folder of modules; `undefined`: the file with the name of the service. */
  module: string | undefined
  options: RegistrationOptions
  schedules: ReadonlyMap<string, DeclaredSchedule>
}

/** By the names of the services. */
export type DeclaredServices = ReadonlyMap<string, DeclaredService>

/** The error of a fault in the file. @param path the keys that lead to it */
export function faultAt(folder: string, path: readonly PropertyKey[], message: string): Error {
  const place = path.length === 0 ? '' : `${path.map(String).join('.')}: `
  return new Error(`${join(folder, DECLARED_FILE)} cannot be used: ${place}${message}`)
}

/** What the file of a folder declares; nothing if there is no file. @throws Error that names the file and each place of a fault */
export async function readDeclared(folder: string): Promise<DeclaredServices> {
  const text = await read(folder)
  if (text === undefined) return new Map()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw faultAt(folder, [], `it is not JSON: ${withLine(text, (error as Error).message).replace(/\s+/g, ' ')}`)
  }
  const { data, error } = declaredFileSchema.safeParse(json)
  if (error !== undefined) {
    const faults = error.issues.flatMap((issue) => {
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
      const [inner] = issue.code === 'invalid_key' ? issue.issues : []
      return paths.map((path) => `${path.map(String).join('.')}: ${inner?.message ?? issue.message}`)
    })
    throw faultAt(folder, [], faults.join('; '))
  }
  // A record of zod has no member `__proto__`, which is a name like any other in JSON.
  if (Object.hasOwn((json as { services: object }).services, '__proto__')) {
    throw faultAt(folder, ['services', '__proto__'], 'a service in this file cannot have this name')
  }
  return new Map(Object.entries(data.services).map(([service, declared]) => [service, declaredOf(declared)]))
}

function declaredOf({ module, options, config, env, schedules = {} }: z.infer<typeof serviceSchema>): DeclaredService {
  return {
    module: module && normalize(module),
    options: { ...options, ...(config !== undefined && { config }), ...(env !== undefined && { env }) },
    schedules: new Map(
      Object.entries(schedules).map(([one, { payload = {}, ...spec }]) => [one, { ...spec, payload }]),
    ),
  }
}

async function read(folder: string): Promise<string | undefined> {
  let content: Buffer
  try {
    content = await readFile(join(folder, DECLARED_FILE))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // That the folder itself is missing is said where its modules are read.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw faultAt(folder, [], `it cannot be read: ${message}`)
  }
  if (content.byteLength > MAX_BYTES) throw faultAt(folder, [], `it is larger than ${MAX_BYTES} bytes`)
  return content.toString('utf8').replace(/^\uFEFF/, '')
}

/** The message of `JSON.parse`, with the line in place of the offset. */
function withLine(text: string, message: string): string {
  const [, offset] = /at position (\d+)/.exec(message) ?? []
  if (offset === undefined) return message
  const before = text.slice(0, Number(offset)).split('\n')
  return message.replace(/at position .*$/s, `at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`)
}
