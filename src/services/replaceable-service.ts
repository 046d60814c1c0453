/**
 * Replacing the code or the options of a service while it runs. Nothing changes before all that may fail has succeeded;
 * then everything does, in one turn of the event loop. The registry lets one change of a service follow the other.
 */
import { isDeepStrictEqual } from 'node:util'
import { hasCode } from '../contract/errors.ts'
import { needsNewThreads, type ServiceOptions } from '../contract/options.ts'
import { ServiceLifecycle, type ServiceRegistration } from './service-lifecycle.ts'
import { type Joining, optionsOf } from './thread-set.ts'
import { unlessAborted } from '../async/deadline.ts'

export abstract class ReplaceableService extends ServiceLifecycle {
  /**
   * Another version of its code, or of its options: new threads start beside those there are, and take over once all
   * have started, while the old ones finish what they have begun. If one does not start, nothing has changed. What is
   * stopped takes up the version and stays stopped. True if it was live.
   * @param keep makes it last: called once nothing can fail any more, and where that fails, nothing has changed either
   * @throws START_FAILED, CONFLICT, what `checkDependencies` and `keep` throw
   */
  async replace(registration: ServiceRegistration, keep: (live: boolean) => Promise<void>): Promise<boolean> {
    const stop = this.stopSignal
    const version = this.versionOf(registration)
    const { contract } = version
    try {
      if (contract.description === undefined) {
        await unlessAborted(contract.describe(optionsOf(version), { keepThread: true }), stop)
      }
      const options = optionsOf(version)
      this.settings.checkDependencies(options.dependsOn)
      await this.whenStopped()
      stop.throwIfAborted()
      const takeOver = () => this.tookUp(before)
      const before = this.contract
      const live = this.state !== 'stopped'
      if (!live) {
        await keep(false)
        // Somebody may have started it meanwhile.
        if (this.state === 'stopped') {
          this.threadSet.adopt(version)
          takeOver()
          return false
        }
      }
      await this.startDependencies(options, stop)
      stop.throwIfAborted()
      await this.threadSet.replace(version, options.threads, {
        keep: () => (live ? keep(true) : Promise.resolve()),
        takeOver,
      })
      return true
    } catch (error) {
      await contract.stopDescribing()
      if (stop.aborted) throw this.error('CONFLICT', `${this.name} was stopped while it was replaced`)
      if (hasCode(error, 'VALIDATION_FAILED') || hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
      const detail = `${this.name} goes on as it was; what was to replace it did not start: ${(error as Error).message}`
      throw this.error('START_FAILED', detail, { cause: error })
    } finally {
      await contract.endDescribed()
    }
  }

  /**
   * Other options for the same code, in place where no thread needs them at its start.
   * @param keep as in {@link replace}
   * @throws START_FAILED, CONFLICT, what `checkDependencies` and `keep` throw
   */
  async reconfigure(overrides: ServiceOptions, keep: () => Promise<void>): Promise<void> {
    const { version } = this.threadSet
    const { description } = version.contract
    const options = optionsOf({ ...version, overrides })
    if (!isDeepStrictEqual(options.dependsOn, this.options.dependsOn)) {
      this.settings.checkDependencies(options.dependsOn)
    }
    const { state } = this
    const serves = state === 'running' || state === 'paused'
    if ((serves || state === 'starting') && needsNewThreads(this.options, options)) {
      await this.replace({ ...version, overrides, description }, keep)
      return
    }
    const missing = options.threads - this.threadSet.current.length
    const takeOver = () => {
      this.threadSet.adopt({ ...version, overrides })
      this.tookUp(version.contract)
    }
    if (serves && missing > 0) return this.#grow(missing, { keep, takeOver })
    await keep()
    takeOver()
  }

  async #grow(count: number, joining: Joining): Promise<void> {
    const stop = this.stopSignal
    try {
      await this.threadSet.grow(count, joining)
    } catch (error) {
      if (hasCode(error, 'JOURNAL_UNAVAILABLE')) throw error
      if (stop.aborted) throw this.error('CONFLICT', `${this.name} was stopped meanwhile`)
      throw this.error('START_FAILED', `a thread did not start: ${(error as Error).message}`, { cause: error })
    }
  }

  /** Resolves once the threads of a version before have finished what they had begun, or after `shutdownTimeoutMs`. */
  async settled(): Promise<void> {
    await this.threadSet.left(this.options.shutdownTimeoutMs)
  }
}
