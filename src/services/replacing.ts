/**
 * Replaces the code or the options of a service while it runs. Nothing changes before everything that may fail has
 * succeeded; then everything changes in one turn of the event loop. The registry runs one change of a service at a time.
 */
import { isDeepStrictEqual } from 'node:util'
import { unlessAborted } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { hasCode } from '../contract/errors.ts'
import { needsNewThreads, type ServiceOptions } from '../contract/options.ts'
import type { QueueServiceThread } from '../threads/queue-service-thread.ts'
import type { Replacement } from './phase.ts'
import type { ServiceLifecycle } from './service-lifecycle.ts'
import { startDependencies } from './starting.ts'
import { optionsOf, type ServiceRegistration, type Version } from './version.ts'

/**
 * Another version of a service: new threads start beside the present ones, and take over once all have started, while
 * the old ones finish what they have begun. If one does not start, nothing has changed. A stopped service takes up the
 * version and stays stopped. True if the service was live.
 * @param keep writes the registration. Called once nothing else can fail; if it fails, nothing has changed
 * @throws START_FAILED, CONFLICT, and what `planDependencies` and `keep` throw
 */
export async function replaceVersion(
  service: ServiceLifecycle,
  registration: ServiceRegistration,
  keep: (live: boolean) => Promise<void>,
): Promise<boolean> {
  const stop = service.stopSignal
  const version = service.versionOf(registration)
  const { contract } = version
  let release = () => {}
  try {
    if (contract.description === undefined) {
      await unlessAborted(contract.describe(optionsOf(version), { keepThread: true }), stop)
    }
    const options = optionsOf(version)
    release = service.settings.planDependencies(options.dependsOn)
    await service.whenStopped()
    stop.throwIfAborted()
    if (service.phases.live !== undefined) {
      await replaceLive(service, version, stop, () => keep(true))
      return true
    }
    await keep(false)
    // Somebody may have started the service meanwhile, and stopped it again.
    await service.whenStopped()
    if (service.phases.live === undefined) {
      adopt(service, version)
      return false
    }
    await replaceLive(service, version, service.stopSignal, async () => {})
    return true
  } catch (error) {
    await contract.stopDescribing()
    if (stop.aborted) throw service.error('CONFLICT', `${service.name} was stopped while it was replaced`)
    if (hasCode(error, 'VALIDATION_FAILED') || hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
    const detail = `${service.name} goes on as it was: the new version did not start: ${(error as Error).message}`
    throw service.error('START_FAILED', detail, { cause: error })
  } finally {
    release()
    await contract.endDescribed()
  }
}

async function replaceLive(
  service: ServiceLifecycle,
  version: Version,
  stop: AbortSignal,
  keep: () => Promise<void>,
): Promise<void> {
  const options = optionsOf(version)
  await whileReplacing(service, async (replacement) => {
    await startDependencies(service, options, stop)
    stop.throwIfAborted()
    const joining = await service.threadSet.launch(version, options.threads)
    stop.throwIfAborted()
    replacement.committed = true
    await join(service, version, joining, keep)
  })
}

/** The phase of the service is `replacing` until `run` has ended, unless a stop comes first. */
async function whileReplacing(
  service: ServiceLifecycle,
  run: (replacement: Replacement) => Promise<void>,
): Promise<void> {
  const { phases } = service
  const ended = new Deferred<void>()
  const replacement: Replacement = { operation: ended.promise, committed: false }
  if (!phases.beginReplacement(replacement)) {
    throw service.error('CONFLICT', `${service.name} was stopped while it was replaced`)
  }
  try {
    await run(replacement)
  } finally {
    phases.endReplacement(replacement)
    ended.resolve()
  }
}

/** The launched threads take over once the registration is written. */
async function join(
  service: ServiceLifecycle,
  version: Version,
  joining: QueueServiceThread[],
  keep: () => Promise<void>,
): Promise<void> {
  const { threadSet, phases } = service
  try {
    await keep()
  } catch (error) {
    await threadSet.dismiss()
    throw error
  }
  // A stop that came meanwhile waits for the new threads, to let them run what is queued; but not for ever.
  const isAwaited = phases.phase.kind === 'stopping' && joining.every(({ state }) => state === 'running')
  if (phases.live !== undefined || isAwaited) {
    const before = service.contract
    threadSet.takeOver(version, joining, () => service.tookOver(before))
  } else {
    await threadSet.dismiss()
    adopt(service, version)
  }
}

function adopt(service: ServiceLifecycle, version: Version): void {
  const before = service.contract
  service.threadSet.adopt(version)
  service.tookEffect(before)
}

/**
 * Other options for the same code. Only options that a thread is given at its start need new threads.
 * @param keep as in {@link replaceVersion}
 * @throws START_FAILED, CONFLICT, and what `planDependencies` and `keep` throw
 */
export async function reconfigure(
  service: ServiceLifecycle,
  overrides: ServiceOptions,
  keep: () => Promise<void>,
): Promise<void> {
  const { threadSet, phases, settings, state } = service
  const version: Version = { ...threadSet.version, overrides }
  const options = optionsOf(version)
  const dependsOnOthers = !isDeepStrictEqual(options.dependsOn, service.options.dependsOn)
  const release = dependsOnOthers ? settings.planDependencies(options.dependsOn) : () => {}
  try {
    const serves = phases.live?.kind === 'serving'
    if ((serves || state === 'starting') && needsNewThreads(service.options, options)) {
      await replaceVersion(service, { ...version, description: version.contract.description }, keep)
      return
    }
    const missing = options.threads - threadSet.current.length
    if (serves && missing > 0) await grow(service, version, missing, keep)
    else {
      await keep()
      adopt(service, version)
    }
  } finally {
    release()
  }
}

/** More threads beside the present ones; if one does not start, none joins. */
async function grow(
  service: ServiceLifecycle,
  version: Version,
  count: number,
  keep: () => Promise<void>,
): Promise<void> {
  const stop = service.stopSignal
  try {
    await whileReplacing(service, async (replacement) => {
      const joining = await service.threadSet.launch(version, count)
      stop.throwIfAborted()
      replacement.committed = true
      await join(service, version, joining, keep)
    })
  } catch (error) {
    if (hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
    if (stop.aborted) throw service.error('CONFLICT', `${service.name} was stopped meanwhile`)
    throw service.error('START_FAILED', `a thread did not start: ${(error as Error).message}`, { cause: error })
  }
}
