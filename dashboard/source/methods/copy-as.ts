/** A call or cast as text that does the same elsewhere: curl, the command line, TypeScript. Pure. */

export type Mode = 'call' | 'cast'

/** As the routes of calls and casts take them. Absent: that of the method. */
export interface InvocationOptions {
  /** Milliseconds. */
  timeoutMs?: number | undefined
  delayMs?: number | undefined
  priority?: number | undefined
  maxAttempts?: number | undefined
  idempotencyKey?: string | undefined
}

export interface Invocation {
  service: string
  method: string
  mode: Mode
  /** `undefined`: none. */
  payload: unknown
  /** Media type of a body of bytes; absent: the payload is JSON. */
  bytesType?: string | undefined
  options: InvocationOptions
  /** The URL of the server, without a slash at its end. */
  origin: string
}

export const LANGUAGES = { curl, CLI: commandLine, TypeScript: typescript }

/** The options of a cast as a query, `?` included if there are any. */
export function castQuery({ delayMs, priority, maxAttempts }: InvocationOptions): string {
  const given = Object.entries({ delayMs, priority, maxAttempts }).filter(([, value]) => value !== undefined)
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}`
}

function curl({ service, method, mode, payload, bytesType, options, origin }: Invocation): string {
  const query = mode === 'cast' ? castQuery(options) : ''
  const { timeoutMs, idempotencyKey } = options
  const headers = [
    ...(bytesType !== undefined || payload !== undefined ? [`content-type: ${bytesType ?? 'application/json'}`] : []),
    ...(timeoutMs !== undefined && mode === 'call' ? [`request-timeout: ${timeoutMs}ms`] : []),
    ...(idempotencyKey === undefined ? [] : [`idempotency-key: ${idempotencyKey}`]),
  ]
  const body = bytesType === undefined ? JSON.stringify(payload) : '@file'
  return [
    `curl -X POST ${quoted(`${origin}/v1/services/${encodeURIComponent(service)}/${mode}/${encodeURIComponent(method)}${query}`)}`,
    ...headers.map((header) => `-H ${quoted(header)}`),
    ...(body === undefined ? [] : [`${bytesType === undefined ? '-d' : '--data-binary'} ${quoted(body)}`]),
  ].join(' \\\n  ')
}

function commandLine({ service, method, mode, payload, bytesType, options }: Invocation): string {
  const { timeoutMs, delayMs, priority, maxAttempts, idempotencyKey } = options
  const json = JSON.stringify(payload)
  return [
    `threadplane ${mode} ${quoted(service)} ${quoted(method)}`,
    ...(bytesType === undefined
      ? json === undefined
        ? []
        : [quoted(json)]
      : ['@file', `--content-type ${quoted(bytesType)}`]),
    ...(timeoutMs === undefined ? [] : [`--timeout ${timeoutMs}ms`]),
    ...(idempotencyKey === undefined ? [] : [`--key ${quoted(idempotencyKey)}`]),
    ...(mode === 'call' || delayMs === undefined ? [] : [`--delay ${delayMs}ms`]),
    ...(mode === 'call' || priority === undefined ? [] : [`--priority ${priority}`]),
    ...(mode === 'call' || maxAttempts === undefined ? [] : [`--max-attempts ${maxAttempts}`]),
  ].join(' ')
}

function typescript({ service, method, mode, payload, bytesType, options, origin }: Invocation): string {
  const { timeoutMs, idempotencyKey, delayMs, priority, maxAttempts } = options
  const common = { timeoutMs, idempotencyKey }
  const given = JSON.stringify(
    mode === 'call'
      ? { ...common, ...(bytesType !== undefined && { contentType: bytesType }) }
      : { ...common, delayMs, priority, maxAttempts },
    null,
    1,
  )
    .replaceAll(/\n\s*/g, ' ')
    .replaceAll(/"(\w+)":/g, '$1:')
  const argument = bytesType === undefined ? (JSON.stringify(payload, null, 2) ?? '{}') : "await readFile('file')"
  const call = `plane.service(${JSON.stringify(service)}).${mode}.${method}(${argument}${given === '{}' ? '' : `, ${given}`})`
  return [
    ...(bytesType === undefined ? [] : ["import { readFile } from 'node:fs/promises'"]),
    "import { createClient } from 'threadplane/client'",
    '',
    `const plane = createClient({ url: ${JSON.stringify(origin)} })`,
    mode === 'call' ? `const result = await ${call}` : `const job = await ${call}`,
  ].join('\n')
}

/** For a shell, if it needs quotes. */
function quoted(text: string): string {
  return /^[\w./:@=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
