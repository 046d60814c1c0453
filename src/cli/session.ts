/** What a verb works with: the client of the server, the printer, and the flags that all verbs have. */
import type { Plane } from '../client/index.ts'
import { durationMs } from './input/numbers.ts'
import { hasColour, type Io } from './io.ts'
import { type Answer, type Format, FORMATS, Printer } from './output/printer.ts'
import { connect } from './connect.ts'
import { type TargetFlags, targetOf } from './target.ts'
import { UsageError } from './exit-codes.ts'

/** Without `--timeout`. */
const DEFAULT_TIMEOUT_MS = 30_000

/** The flags of all verbs. */
export interface Flags extends TargetFlags {
  output?: string
  json?: true
  quiet?: true
  yes?: true
  timeout?: string
  trace?: true
  /** False: `--no-color`. */
  color: boolean
}

export interface RequestSettings {
  query?: Record<string, string | number | boolean | undefined>
  body?: unknown
}

export class Session {
  readonly io: Io
  readonly print: Printer
  /** `undefined`: the person gave none. */
  readonly timeoutMs: number | undefined
  readonly #flags: Flags
  #plane: Plane | undefined

  /** @throws UsageError */
  constructor(io: Io, flags: Flags) {
    this.io = io
    this.#flags = flags
    this.timeoutMs = flags.timeout === undefined ? undefined : durationMs('--timeout', flags.timeout)
    this.print = new Printer(io, {
      format: formatOf(flags),
      isQuiet: flags.quiet === true,
      hasColour: flags.color && hasColour(io.stdout, io.env),
    })
  }

  /** The client. The module of the client is loaded now, as some verbs need no server. */
  async plane(): Promise<Plane> {
    this.#plane ??= await connect(this.io, await this.target(), {
      timeoutMs: this.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      hasTrace: this.#flags.trace === true,
      note: (text) => this.print.note(text),
    })
    return this.#plane
  }

  target() {
    return targetOf(this.#flags, this.io.env)
  }

  /** The JSON that the server answers. @throws PlaneError */
  async request<Body>(method: string, path: string, { query = {}, body }: RequestSettings = {}): Promise<Answer<Body>> {
    const plane = await this.plane()
    const answer = await plane.request(method, path, { query, body, signal: this.io.interrupted })
    // The server's JSON is what JSON.stringify makes, so that this is its text again.
    return { text: JSON.stringify(answer) ?? '', body: answer as Body }
  }

  get<Body>(path: string, query: RequestSettings['query'] = {}): Promise<Answer<Body>> {
    return this.request<Body>('GET', path, { query })
  }

  /** Asks before something is destroyed. @param what such as `delete the service primes` */
  async confirm(what: string): Promise<void> {
    const { confirm } = await import('./input/confirm.ts')
    await confirm(this.io, what, this.#flags.yes === true)
  }
}

function formatOf({ output, json, quiet }: Flags): Format {
  if (output !== undefined) {
    const format = FORMATS.find((format) => format === output)
    if (format === undefined)
      throw new UsageError(`-o is ${JSON.stringify(output)}: it must be one of ${FORMATS.join(', ')}`)
    return format
  }
  return json ? 'json' : quiet ? 'name' : 'table'
}

/** The path of a route: the words between the slashes are escaped. */
export function route(strings: TemplateStringsArray, ...words: string[]): string {
  return String.raw({ raw: strings }, ...words.map(encodeURIComponent))
}
