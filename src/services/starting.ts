/** The start of a registered service: its module describes itself, what it depends on starts, then its threads do. */
import { unlessAborted } from '../async/deadline.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import type { ResolvedServiceOptions } from '../contract/options.ts'
import type { ModuleContract } from './module-contract.ts'
import { livePhase, type Starting } from './phase.ts'
import type { ServiceParts } from './service-parts.ts'

/**
 * False: the service was left stopped, as its options say so and nobody wanted more, or as other servers run it.
 * @throws START_FAILED, CONFLICT
 */
export async function runStart(service: ServiceParts, starting: Starting): Promise<boolean> {
  const { contract, stopSignal: stop, threadSet, phases } = service
  let failure: Error | undefined
  let isLeftStopped = false
  try {
    if (contract.refusal !== undefined) throw contract.refusal
    // After a start that failed there is a thread already, which describes the module as it starts.
    if (contract.description === undefined && threadSet.current.length === 0) await describe(service, contract)
    if (!stop.aborted && starting.onlyIfAutostart && !service.options.autostart) {
      service.desiredState = 'stopped'
      isLeftStopped = true
      return false
    }
    if (!stop.aborted && !service.isPlacedHere) {
      isLeftStopped = true
      return false
    }
    await startDependencies(service, service.options, stop, starting.by)
    stop.throwIfAborted()
    await threadSet.start()
    return true
  } catch (error) {
    failure = error as Error
    if (stop.aborted) throw stoppedMeanwhile(service)
    // Another version has taken over, and has started.
    if (contract !== service.contract) return true
    throw service.error('START_FAILED', `${service.name} did not start: ${failure.message}`, { cause: error })
  } finally {
    await contract.endDescribed()
    if (phases.live === starting) {
      if (isLeftStopped) phases.enter({ kind: 'stopped' })
      else phases.enterLive(livePhase(starting, threadSet.health, failure))
      service.followThreads()
    }
  }
}

/** If the module cannot describe itself, that is a crash of the first thread. */
async function describe(service: ServiceParts, contract: ModuleContract): Promise<void> {
  try {
    await contract.describe(service.options, { keepThread: true })
  } catch (error) {
    if (contract === service.contract && service.phases.live !== undefined) service.threadSet.crashFirst(error as Error)
    throw error
  }
}

/** @throws START_FAILED, which names the service that does not run */
export async function startDependencies(
  service: ServiceParts,
  options: ResolvedServiceOptions,
  stop: AbortSignal,
  by?: string,
): Promise<void> {
  try {
    await unlessAborted(service.settings.startDependencies(options, by), stop)
  } catch (error) {
    const hasThreads = service.threadSet.current.some(({ state }) => state !== 'stopped')
    if (!stop.aborted && !hasThreads) service.settings.log.error({ err: error, service: service.name }, 'not started')
    throw error
  }
}

export function stoppedMeanwhile(service: ServiceParts): ThreadplaneError {
  return service.error('CONFLICT', `${service.name} was stopped while it started`)
}
