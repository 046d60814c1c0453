/** A registered service without a server, as the tests of its life use one. */
import { BroadcastChannel } from 'node:worker_threads'
import type { Test } from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { ThreadplaneError } from '../../src/contract/errors.ts'
import { NO_EVENTS } from '../../src/contract/events.ts'
import type { ServiceOptions } from '../../src/contract/options.ts'
import { replaceVersion } from '../../src/services/replacing.ts'
import { SupervisedService } from '../../src/services/supervised-service.ts'
import type { ServiceRegistration } from '../../src/services/version.ts'
import { RestartGroups } from '../../src/supervision/restart-groups.ts'
import { Meters } from '../../src/telemetry/meters.ts'
import { RecordingLog, within } from '../helper.ts'

export function registration(module: string, overrides: ServiceOptions = {}): ServiceRegistration {
  const moduleUrl = new URL(`../http-fixtures/${module}.js`, import.meta.url).href
  return { module: `${module}.js`, moduleUrl, overrides, description: undefined }
}

let made = 0

/** A service without a server, and what lets its module go on where that waits. */
export class Rig {
  readonly log = new RecordingLog()
  readonly service: SupervisedService
  closing = false
  readonly #channel: BroadcastChannel

  constructor(t: Test, module: string, overrides?: ServiceOptions, groups?: RestartGroups) {
    made += 1
    const name = `service-${made}`
    this.#channel = new BroadcastChannel(`let go: ${name}`)
    this.service = new SupervisedService({
      ...registration(module, overrides),
      name,
      desiredState: 'running',
      events: NO_EVENTS,
      log: this.log.log,
      meter: new Meters().service(),
      groups: groups ?? new RestartGroups(this.log.log),
      startRefusal: () => (this.closing ? new ThreadplaneError('SHUTTING_DOWN', 'closing') : undefined),
      planDependencies: () => () => {},
      traces: undefined,
      startDependencies: async () => {},
      runsHere: () => true,
      onDescribed: () => {},
    })
    t.teardown(async () => {
      this.letGo()
      await this.service.halt()
      await this.service.settled()
      this.#channel.close()
    })
  }

  /** Modules that wait, now or later, go on. */
  letGo(): void {
    this.#channel.postMessage(true)
    this.log.onLine((message) => {
      if (/^waits to (start|stop)$/.test(message)) this.#channel.postMessage(true)
    })
  }

  async reaches(state: string): Promise<void> {
    const { service } = this
    if (service.state === state) return
    const reached = new Deferred<void>()
    const check = () => service.state === state && reached.resolve()
    service.on('state', check)
    await within(reached.promise, `${service.name} to be ${state}, which is ${service.state}`)
    service.off('state', check)
  }

  /** The result of a call as JSON text, or the code of its error. */
  call(method: string, payload: unknown): Promise<unknown> {
    const settled = new Deferred<unknown>()
    const invocation = this.service.call(method, { payload, text: JSON.stringify(payload) })
    invocation.whenSettled((error, result) => settled.resolve(error?.code ?? result))
    return settled.promise
  }

  /** A replacement whose registration is being written until `written` resolves. */
  async replaceUntil(written: Promise<void>, version = registration('light')): Promise<{ replaced: Promise<boolean> }> {
    const writing = new Deferred<void>()
    const replaced = replaceVersion(this.service, version, async () => {
      writing.resolve()
      await written
    })
    replaced.catch((error: Error) => writing.reject(error))
    await writing.promise
    return { replaced }
  }
}

export async function started(t: Test, module: string, overrides?: ServiceOptions): Promise<Rig> {
  const rig = new Rig(t, module, overrides)
  await rig.service.start()
  return rig
}
