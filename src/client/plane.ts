/** `createClient`: the client of a server, for browsers and Node. It has no dependency, and imports nothing of the server. */
import type { ServiceDefinition } from '../module/define-service.ts'
import { Deadline } from './deadline.ts'
import type { EventFilter, LogEnd, LogFilter, LogGap, LogLine, PlaneEvent } from './events.ts'
import { follow, linesOf } from './follow.ts'
import { Job } from './job.ts'
import type { ServiceHandle } from './method-types.ts'
import { serviceHandle } from './service.ts'
import { type ClientOptions, readJson, type RequestOptions, Transport } from './transport.ts'

/** A server, as its client sees it. */
export interface Plane {
  /** A service. With the type of its module's default export, names, payloads and results are checked. */
  service<Definition extends ServiceDefinition = ServiceDefinition>(name: string): ServiceHandle<Definition>
  /** A job by its id. Nothing is asked yet. */
  job<Result = unknown>(id: string): Job<Result>
  /** What happens in the server, until the signal fires. A cut connection is opened again, and misses nothing or has a `gap`. */
  events(filter?: EventFilter): AsyncGenerator<PlaneEvent, void, void>
  /** Lines of the log. With `follow` as events, until the signal fires or the service is removed. */
  logs(filter?: LogFilter): AsyncGenerator<LogLine | LogGap | LogEnd, void, void>
  /**
   * Any route, with the retries of its kind. Returns the JSON of the answer; `undefined` if it has none.
   * @param path such as `/v1/services`
   * @throws PlaneError; the reason of `signal`
   */
  request(method: string, path: string, options?: RequestOptions): Promise<unknown>
  /** The same for bytes and streams. `timeoutMs` counts until the answer begins; its body ends with `signal`. */
  fetch(method: string, path: string, options?: RequestOptions): Promise<Response>
}

/** Makes a client. It connects when something is asked. @throws TypeError, RangeError if an option is not valid */
export function createClient(options: ClientOptions = {}): Plane {
  const transport = new Transport(options)

  async function send<T>(
    method: string,
    path: string,
    options: RequestOptions,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const deadline = new Deadline(options.timeoutMs ?? transport.timeoutMs, options.signal)
    try {
      return await transport.send(method, path, options, deadline, read)
    } finally {
      deadline.end()
    }
  }

  return {
    service: (name) => serviceHandle(transport, name),
    job: (id) => new Job(transport, id),
    events: ({ signal, ...query } = {}) => follow(transport, '/v1/events', { query, signal }),
    logs: (filter) => logsOf(transport, filter),
    request: (method, path, options = {}) => send(method, path, options, readJson),
    fetch: (method, path, options = {}) => send(method, path, options, async (response) => response),
  }
}

async function* logsOf(
  transport: Transport,
  { service, signal, ...query }: LogFilter = {},
): AsyncGenerator<LogLine | LogGap | LogEnd, void, void> {
  const path = service === undefined ? '/v1/logs' : `/v1/services/${encodeURIComponent(service)}/logs`
  if (query.follow !== true) return yield* linesOf(transport, path, { query, signal })
  for await (const line of follow<LogLine | LogGap | LogEnd>(transport, path, { query, signal })) {
    const isEnd = !('msg' in line) && line.type === 'end'
    // The server closes: the connection is opened again.
    if (isEnd && line.reason === 'closing') continue
    yield line
    if (isEnd) return
  }
}
