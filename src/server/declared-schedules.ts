/**
 * The schedules that `threadplane.json` declares. They are made when the services start, and deleted when the file does
 * not name them any more. One of the same name that a client has set stays as the client has set it.
 */
import { isDeepStrictEqual } from 'node:util'
import { hasCode } from '../contract/errors.ts'
import type { ServiceLog } from '../contract/log.ts'
import { checkCron } from '../jobs/schedule-checks.ts'
import type { Schedules } from '../jobs/schedules.ts'
import {
  type DeclaredSchedule,
  type DeclaredServices,
  DECLARED_FILE,
  faultAt,
  readDeclared,
} from '../registry/declared-services.ts'
import type { Registry } from '../registry/registry.ts'

/** As `readDeclared`, and checks the cron expressions too. @throws Error that names the file and the place of a fault */
export async function readDeclaredServices(folder: string): Promise<DeclaredServices> {
  const declared = await readDeclared(folder)
  for (const [service, { schedules }] of declared) {
    for (const [name, schedule] of schedules) {
      try {
        checkCron(schedule)
      } catch (error) {
        throw faultAt(folder, ['services', service, 'schedules', name], (error as Error).message)
      }
    }
  }
  return declared
}

interface Parts {
  registry: Registry
  schedules: Schedules
  log: ServiceLog
}

export class DeclaredSchedules {
  readonly #parts: Parts
  #declared: DeclaredServices = new Map()
  /** What has yet to be made, by service. */
  #open = new Map<string, Map<string, DeclaredSchedule>>()

  constructor(parts: Parts) {
    this.#parts = parts
    parts.registry.on('state', (service, state) => {
      if (state === 'running') void this.#make(service)
    })
  }

  /**
   * Makes and deletes schedules in the background, once the services start. What cannot be made yet is tried again when its
   * service runs.
   * @param declared what the file declares now
   */
  follow(declared: DeclaredServices): void {
    const { registry, log } = this.#parts
    this.#declared = declared
    const withSchedules = [...declared].filter(([, { schedules }]) => schedules.size > 0)
    this.#open = new Map(withSchedules.map(([service, { schedules }]) => [service, new Map(schedules)]))
    void registry.starting.promise.then(async () => {
      await Promise.all([...this.#open.keys()].map((service) => this.#make(service)))
      await this.#removeOthers().catch((error: unknown) => {
        if (!registry.closing) log.error({ err: error }, `schedules that ${DECLARED_FILE} has no more are not deleted`)
      })
    })
  }

  async #make(service: string): Promise<void> {
    const open = this.#open.get(service)
    if (open === undefined) return
    this.#open.delete(service)
    const declared = this.#declared
    const isWanted = () => declared === this.#declared
    for (const [name, schedule] of open) {
      if (!isWanted()) return
      try {
        await this.#makeOne(service, name, schedule)
        open.delete(name)
      } catch (error) {
        const { registry, log } = this.#parts
        if (registry.closing) return
        log.error({ err: error, service, schedule: name }, `a schedule of ${DECLARED_FILE} cannot be made`)
      }
    }
    if (open.size > 0 && isWanted()) this.#open.set(service, open)
  }

  async #makeOne(service: string, name: string, declared: DeclaredSchedule): Promise<void> {
    const { registry, schedules, log } = this.#parts
    const target = registry.find(service)
    // It was deleted over HTTP.
    if (target === undefined) return
    const known = await schedules.get(service, name).catch((error: unknown) => {
      if (!hasCode(error, 'SCHEDULE_NOT_FOUND')) throw error
    })
    if (known?.source === 'http') {
      log.info({ service, schedule: name }, `set over HTTP: the one of ${DECLARED_FILE} is not used`)
      return
    }
    const { cron, timezone, method, payload } = known ?? {}
    if (isDeepStrictEqual({ cron, timezone, method, payload }, declared)) return
    await schedules.put(target, { service, name, ...declared, source: 'file' })
  }

  async #removeOthers(): Promise<void> {
    const { schedules } = this.#parts
    for (const { service, name } of await schedules.ofSource('file')) {
      if (this.#declared.get(service)?.schedules.has(name) !== true) await schedules.remove(service, name)
    }
  }
}
