/** What is counted of HTTP requests, by route. The names of routes are those that the server has, so they are bounded. */
import { Histogram, HTTP_BOUNDS } from './histogram.ts'

const STATUSES = 600

export class RouteMeter {
  readonly duration = new Histogram(HTTP_BOUNDS)
  /** Method of HTTP → for each status, how many requests were answered with it. */
  readonly #statuses = new Map<string, Float64Array>()

  answered(method: string, status: number, seconds: number): void {
    let statuses = this.#statuses.get(method)
    if (statuses === undefined) {
      statuses = new Float64Array(STATUSES)
      this.#statuses.set(method, statuses)
    }
    // A handler can set any status; the server itself uses none beyond these.
    if (status < STATUSES) statuses[status] = (statuses[status] as number) + 1
    this.duration.observe(seconds)
  }

  *counts(): Generator<{ method: string; status: number; count: number }> {
    for (const [method, statuses] of this.#statuses) {
      for (const [status, count] of statuses.entries()) if (count > 0) yield { method, status, count }
    }
  }
}

export class HttpMeter {
  readonly routes = new Map<string, RouteMeter>()

  /** @param url the pattern of the route */
  route(url: string): RouteMeter {
    let meter = this.routes.get(url)
    if (meter === undefined) {
      meter = new RouteMeter()
      this.routes.set(url, meter)
    }
    return meter
  }
}
