/**
 * Which requests have a row in the audit: all but GETs, calls and casts, and every request that is refused (401, 403,
 * 429). It is decided when a route is registered, so that GETs, calls and casts pay nothing: only the other routes have a
 * hook, and refusals are seen where their problem documents are made.
 */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { AuditRow } from '../contract/audit.ts'
import type { ThreadplaneError } from '../contract/errors.ts'
import { uuidv7 } from '../contract/uuidv7.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** A request is answered with this error. */
    auditProblem: (request: FastifyRequest, error: ThreadplaneError) => void
  }
  interface FastifyContextConfig {
    /** Has each request to this route a row? Default: all but GET. False: only those that are refused. */
    audits?: boolean
  }
}

interface AuditOptions {
  record: (row: AuditRow) => void
  /** Are tokens asked for? */
  asksForTokens: () => boolean
}

/** What a request is about. */
interface Subject {
  service?: string | undefined
  target?: string | undefined
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Of each text of a row that the client chose. */
const MAX_TEXT_CHARS = 255

/** What requests are about, where the path does not say it. */
const subjects = new WeakMap<FastifyRequest, Subject>()

/** Names the service and the target of a request for its row, where the path does not. */
export function auditAs(request: FastifyRequest, subject: Subject): void {
  subjects.set(request, { ...subjects.get(request), ...subject })
}

export const audit = fp<AuditOptions>(async (app, { record, asksForTokens }) => {
  /** Requests that get a row when they have ended → the code of their problem. */
  const open = new WeakMap<FastifyRequest, string | null>()

  const rowOf = (request: FastifyRequest, outcome: AuditRow['outcome'], code: string | null): AuditRow => {
    const { credential, ip, method, routeOptions } = request
    const { schema, url = 'none' } = routeOptions
    const { service = null, target = null } = { ...subjectOf(request), ...subjects.get(request) }
    return {
      at: Date.now(),
      token: credential?.token.id ?? null,
      via: credential?.via ?? (asksForTokens() ? 'none' : 'open'),
      address: ip,
      action: (schema as { operationId?: string } | undefined)?.operationId ?? `${method} ${url}`,
      service: cut(service),
      target: cut(target),
      outcome,
      code,
      requestId: uuidv7(),
    }
  }

  app.decorate('auditProblem', (request: FastifyRequest, { status, code }: ThreadplaneError) => {
    if (open.has(request)) open.set(request, code)
    else if (isRefusal(status)) record(rowOf(request, 'refused', code))
    // A hook before the one below refused the request, because the server closes, for example.
    else if (request.routeOptions.config.audits === true) record(rowOf(request, 'failed', code))
  })

  app.addHook('onRoute', (route) => {
    const { config = {} } = route
    config.audits ??= ![route.method].flat().every((method) => READS.has(method))
    route.config = config
    if (!config.audits) return
    // Not `onResponse`, which is not run for a client that went away: to hang up must not keep a row out.
    const watch: typeof route.onRequest = (request, { raw }, done) => {
      open.set(request, null)
      raw.once('close', () => {
        const code = open.get(request) ?? null
        const ended = code !== null ? (isRefusal(raw.statusCode) ? 'refused' : 'failed') : 'ok'
        record(rowOf(request, raw.writableFinished ? ended : 'aborted', code))
      })
      done()
    }
    route.onRequest = [route.onRequest ?? [], watch].flat()
  })
})

function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 429
}

/** The names in the path: the service, and what else there is. */
function subjectOf({ params }: FastifyRequest): Subject {
  const { service, ...others } = (params ?? {}) as Record<string, string>
  const names = Object.values(others)
  return { service, target: names.length === 0 ? undefined : names.join('/') }
}

function cut(text: string | null): string | null {
  return text === null ? null : text.slice(0, MAX_TEXT_CHARS)
}
