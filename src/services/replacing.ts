/**
 * Replaces the code or the options of a service while it runs. Nothing changes before everything that may fail has
 * succeeded; then everything changes in one turn of the event loop. The registry runs one change of a service at a time.
 */
import { isDeepStrictEqual } from 'node:util'
import { unlessAborted } from '../async/deadline.ts'
import { Deferred } from '../async/deferred.ts'
import { hasCode } from '../contract/errors.ts'
import { needsNewThreads, type RegistrationOptions } from '../contract/options.ts'
import type { Replacement } from './phase.ts'
import type { ServiceLifecycle } from './service-lifecycle.ts'
import { startDependencies } from './starting.ts'
import { optionsOf, type ServiceRegistration, type Version } from './version.ts'

/**
 * Another version of a service: new threads start beside the present ones, and take over once all have started, while
 * the old ones finish what they have begun. If one does not start, nothing has changed. A stopped service takes up the
 * version and stays stopped. False if the service is stopped in the end.
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
  let kept = false
  try {
    if (contract.description === undefined) {
      await unlessAborted(contract.describe(optionsOf(version), { keepThread: true }), stop)
    }
    const options = optionsOf(version)
    release = service.settings.planDependencies(options.dependsOn)
    await service.whenStopped()
    stop.throwIfAborted()
    if (service.phases.live !== undefined) {
      const tookOver = await replaceLive(service, version, stop, async () => {
        await keep(true)
        kept = true
      })
      return tookOver || (await takeEffect(service, version))
    }
    await keep(false)
    kept = true
    return await takeEffect(service, version)
  } catch (error) {
    await contract.stopDescribing()
    // A shutdown stops it too.
    const stopped = () => service.error('CONFLICT', `${service.name} was stopped while it was replaced`)
    if (stop.aborted) throw service.settings.startRefusal() ?? stopped()
    const isOwn = (['VALIDATION_FAILED', 'JOURNAL_UNAVAILABLE', 'SHUTTING_DOWN'] as const).some((code) =>
      hasCode(error, code),
    )
    if (isOwn) throw error
    const outcome = kept ? 'is registered anew, but its threads go on as they were' : 'goes on as it was'
    const detail = `${service.name} ${outcome}: the new version did not start: ${(error as Error).message}`
    throw service.error('START_FAILED', detail, { cause: error })
  } finally {
    release()
    await contract.endDescribed()
  }
}

/** False: a stop came first, see {@link launchAndJoin}. */
async function replaceLive(
  service: ServiceLifecycle,
  version: Version,
  stop: AbortSignal,
  keep: () => Promise<void>,
): Promise<boolean> {
  const options = optionsOf(version)
  return whileReplacing(service, async (replacement) => {
    await startDependencies(service, options, stop)
    stop.throwIfAborted()
    return launchAndJoin(service, version, options.threads, { replacement, stop, keep })
  })
}

/**
 * Gives a service the version that is in its registration already. If somebody has started the service meanwhile, the
 * version needs new threads. True if the service is live.
 */
async function takeEffect(service: ServiceLifecycle, version: Version): Promise<boolean> {
  for (;;) {
    await service.whenStopped()
    const { phases, stopSignal: stop } = service
    if (phases.live === undefined || version.contract === service.contract) {
      adopt(service, version)
      return phases.live !== undefined
    }
    try {
      if (await replaceLive(service, version, stop, async () => {})) return true
    } catch (error) {
      if (!stop.aborted) throw error
    }
  }
}

/** The phase of the service is `replacing` until `run` has ended, unless a stop comes first. */
async function whileReplacing<T>(service: ServiceLifecycle, run: (replacement: Replacement) => Promise<T>): Promise<T> {
  const { phases } = service
  const ended = new Deferred<void>()
  const replacement: Replacement = { operation: ended.promise, committed: false }
  if (!phases.beginReplacement(replacement)) {
    throw service.error('CONFLICT', `${service.name} was stopped while it was replaced`)
  }
  try {
    return await run(replacement)
  } finally {
    phases.endReplacement(replacement)
    ended.resolve()
  }
}

interface Joining {
  replacement: Replacement
  stop: AbortSignal
  /** Writes the registration. */
  keep: () => Promise<void>
}

/**
 * Launches threads, which take over once the registration is written. False: it is written, but a stop came before that
 * and did not wait for the new threads; so the version has yet to take effect.
 * @throws what kept a thread from starting, and what `keep` throws
 */
async function launchAndJoin(
  service: ServiceLifecycle,
  version: Version,
  count: number,
  { replacement, stop, keep }: Joining,
): Promise<boolean> {
  const { threadSet, phases } = service
  const joining = await threadSet.launch(version, count)
  stop.throwIfAborted()
  replacement.committed = true
  try {
    await keep()
  } catch (error) {
    await threadSet.dismiss()
    throw error
  }
  // A stop that came meanwhile waits for the new threads, to let them run what is queued; but not for ever.
  const isAwaited = phases.phase.kind === 'stopping' && joining.every(({ state }) => state === 'running')
  const isLive = phases.live !== undefined && !stop.aborted
  if (isLive || isAwaited) {
    const before = service.contract
    threadSet.takeOver(version, joining, () => service.tookOver(before))
    return true
  }
  await threadSet.dismiss()
  return false
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
  overrides: RegistrationOptions,
  keep: () => Promise<void>,
): Promise<void> {
  const { threadSet, phases, settings } = service
  const version: Version = { ...threadSet.version, overrides }
  const { description } = version.contract
  const options = optionsOf(version)
  const dependsOnOthers = !isDeepStrictEqual(options.dependsOn, service.options.dependsOn)
  const release = dependsOnOthers ? settings.planDependencies(options.dependsOn) : () => {}
  const serves = () => phases.live?.kind === 'serving'
  const needsNew = () => (serves() || service.state === 'starting') && needsNewThreads(service.options, options)
  try {
    const missing = options.threads - threadSet.current.length
    if (needsNew()) await replaceVersion(service, { ...version, description }, keep)
    else if (serves() && missing > 0) await grow(service, version, missing, keep)
    else {
      await keep()
      // Somebody may have started the service meanwhile, with the options before.
      const startedMeanwhile = needsNew()
      adopt(service, version)
      if (startedMeanwhile) await replaceVersion(service, { ...version, description }, async () => {})
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
    const joined = await whileReplacing(service, (replacement) =>
      launchAndJoin(service, version, count, { replacement, stop, keep }),
    )
    if (!joined) await takeEffect(service, version)
  } catch (error) {
    if (hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
    if (stop.aborted) throw service.error('CONFLICT', `${service.name} was stopped meanwhile`)
    throw service.error('START_FAILED', `a thread did not start: ${(error as Error).message}`, { cause: error })
  }
}
