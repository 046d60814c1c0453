/**
 * The order that `dependsOn` makes among services: what a service depends on runs before it starts, and stops after it.
 * It is order only: a crash does not affect dependents. Options may change at any time, so nothing is kept of them here.
 */
import { ThreadplaneError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { SupervisedService } from '../services/supervised-service.ts'

export class Dependencies {
  readonly #services: ReadonlyMap<string, SupervisedService>
  /** What services are about to depend on, by their names. */
  readonly #planned = new Map<string, readonly string[]>()

  constructor(services: ReadonlyMap<string, SupervisedService>) {
    this.#services = services
  }

  /** Services that name it in their `dependsOn`. */
  readonly dependentsOf = (name: string): string[] => {
    const dependents = [...this.#services.values()].filter(({ options }) => options.dependsOn.includes(name))
    return dependents.map((service) => service.name).sort()
  }

  /** Services that depend on it, or are about to. */
  presentAndPlannedDependentsOf(name: string): string[] {
    const planned = [...this.#planned].flatMap(([service, dependsOn]) => (dependsOn.includes(name) ? [service] : []))
    return [...new Set([...this.dependentsOf(name), ...planned])].sort()
  }

  /** @throws VALIDATION_FAILED that names the missing service, or the circle */
  check(name: string, dependsOn: readonly string[]): void {
    const refuse = (message: string) => {
      const errors = [{ pointer: '/dependsOn', message }]
      return new ThreadplaneError('VALIDATION_FAILED', message, { service: name, errors })
    }
    const missing = dependsOn.find((other) => other !== name && !this.#services.has(other))
    if (missing !== undefined) throw refuse(`${name} depends on ${missing}, and there is no such service`)
    const circle = circleThrough(name, (other) => (other === name ? dependsOn : this.#presentAndPlanned(other)))
    if (circle !== undefined) throw refuse(`services depend on each other in a circle: ${circle}`)
  }

  #presentAndPlanned(name: string): readonly string[] {
    return [...(this.#services.get(name)?.options.dependsOn ?? []), ...(this.#planned.get(name) ?? [])]
  }

  /**
   * As {@link check}, and other checks count with this plan until it is released: two changes at the same time cannot make
   * a circle together.
   * @returns releases the plan, which has come true or was given up
   */
  plan(name: string, dependsOn: readonly string[]): () => void {
    this.check(name, dependsOn)
    this.#planned.set(name, dependsOn)
    return () => {
      if (this.#planned.get(name) === dependsOn) this.#planned.delete(name)
    }
  }

  /**
   * Starts what a service depends on, and waits until it runs. Of many services that start at once each waits for its own
   * dependencies, which makes the order among all of them.
   * @throws VALIDATION_FAILED, START_FAILED that names what does not run
   */
  async start(name: string, { dependsOn, startTimeoutMs }: ResolvedServiceOptions, by?: string): Promise<void> {
    this.check(name, dependsOn)
    const start = async (other: string) => {
      try {
        await this.#services.get(other)?.whenRunning(startTimeoutMs, by)
      } catch (error) {
        const detail = `${name} depends on ${other}, which does not run: ${(error as Error).message}`
        throw new ThreadplaneError('START_FAILED', detail, { service: other, cause: error })
      }
    }
    await Promise.all(dependsOn.map(start))
  }

  /**
   * Stops services, each after those of them that depend on it.
   * @param services dependents first
   * @param stop resolves to true if there was something to stop
   * @returns the names of those that were stopped, dependents first
   */
  async stop(
    services: readonly SupervisedService[],
    stop: (service: SupervisedService) => Promise<boolean>,
  ): Promise<string[]> {
    const stopped = new Set<string>()
    const stops = new Map<string, Promise<void>>()
    for (const service of services) {
      const dependents = this.dependentsOf(service.name).flatMap((name) => stops.get(name) ?? [])
      const stopAfter = async () => {
        await Promise.all(dependents)
        if (await stop(service)) stopped.add(service.name)
      }
      stops.set(service.name, stopAfter())
    }
    await Promise.all(stops.values())
    return services.map(({ name }) => name).filter((name) => stopped.has(name))
  }
}

type Neighbours = (service: string) => readonly string[]

/** The way from a service by what it depends on back to itself, as `a → b → a`; `undefined` if there is none. */
export function circleThrough(service: string, dependsOn: Neighbours): string | undefined {
  const seen = new Set<string>()
  const search = (path: string[]): string[] | undefined => {
    for (const next of dependsOn(path.at(-1) as string)) {
      if (next === service) return [...path, next]
      if (seen.has(next)) continue
      seen.add(next)
      const circle = search([...path, next])
      if (circle !== undefined) return circle
    }
    return undefined
  }
  return search([service])?.join(' → ')
}

/**
 * The services and all that depend on them, each after its dependents: the order to stop them in. A circle, which a
 * module may make that was changed on disk, is cut where it was entered.
 */
export function dependentsFirst(services: readonly string[], dependentsOf: Neighbours): string[] {
  const ordered = new Set<string>()
  const entered = new Set<string>()
  const visit = (service: string) => {
    if (entered.has(service)) return
    entered.add(service)
    for (const dependent of dependentsOf(service)) visit(dependent)
    ordered.add(service)
  }
  for (const service of services) visit(service)
  return [...ordered]
}
