/**
 * Counts requests by route, for `/metrics`. Node's own channel says when an answer was sent: a hook of Fastify's for that
 * would add two listeners to each request. Requests that are answered before they reach a route, such as malformed ones,
 * are not counted; nor are those whose client went away before the end of the answer.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import fp from 'fastify-plugin'
import type { HttpMeter, RouteMeter } from '../telemetry/http-meter.ts'

const CHANNEL = 'http.server.response.finish'
/** The name of all requests that no route takes. */
const NO_ROUTE = 'none'

/** Added to a request. */
interface Measured {
  routeMeter?: RouteMeter
  arrivedAt?: number
}

interface Finished {
  request: IncomingMessage & Measured
  response: ServerResponse
  server: Server
}

export const requestMetrics = fp<{ meter: HttpMeter }>(async (app, { meter }) => {
  /** The settings of a route, which are one object for all of its requests. */
  const meters = new WeakMap<object, RouteMeter>()

  app.addHook('onRequest', (request, _reply, done) => {
    const { config } = request.routeOptions
    let routeMeter = meters.get(config)
    if (routeMeter === undefined) {
      routeMeter = meter.route(config.url ?? NO_ROUTE)
      meters.set(config, routeMeter)
    }
    const measured = request.raw as Measured
    measured.routeMeter = routeMeter
    measured.arrivedAt = performance.now()
    done()
  })

  const finished = (message: unknown) => {
    const { request, response, server } = message as Finished
    if (server !== app.server || request.routeMeter === undefined) return
    const seconds = (performance.now() - (request.arrivedAt as number)) / 1_000
    request.routeMeter.answered(request.method as string, response.statusCode, seconds)
  }
  subscribe(CHANNEL, finished)
  app.addHook('onClose', () => {
    unsubscribe(CHANNEL, finished)
  })
})
