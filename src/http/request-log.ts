/** The log of requests: a line for each, when its answer is sent. THREADPLANE_REQUEST_LOG turns it on. */
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { ServiceLog } from '../contract/log.ts'

/**
 * In a line `method` is the method of the service, as in all other lines of the log; `httpMethod` is the one of HTTP. The
 * line has the pattern of the route instead of the URL: a query may contain what a log should not have.
 */
export const requestLog = fp<{ log: ServiceLog }>(async (app, { log }) => {
  /** Bytes that had been written to a connection before its latest request. */
  const writtenBefore = new WeakMap<Socket, number>()
  app.addHook('onRequest', (request, _reply, done) => {
    const { socket } = request.raw
    writtenBefore.set(socket, socket.bytesWritten)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { method: httpMethod, routeOptions, params, ip: remote, raw, caller: token } = request
    const { service, method } = (params ?? {}) as { service?: string; method?: string }
    const length = reply.getHeader('content-length')
    const line = {
      httpMethod,
      route: routeOptions.url ?? 'none',
      status: reply.raw.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      // A stream has no Content-Length.
      bytes: Number(length ?? raw.socket.bytesWritten - (writtenBefore.get(raw.socket) ?? 0)),
      ...(service !== undefined && { service }),
      ...(method !== undefined && { method }),
      ...(token !== undefined && { token }),
      remote,
      ...(!reply.raw.writableFinished && { complete: false }),
    }
    log.info(line, `${httpMethod} ${line.route} ${line.status}`)
    done()
  })
})
