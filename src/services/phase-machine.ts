/** Holds the phase of one service, and is the only one that enters another. */
import type { ServiceLog } from '../contract/log.ts'
import { callerOf, type LivePhase, liveOf, mayFollow, type Phase, type Replacement } from './phase.ts'

export interface PhaseMachineSettings {
  service: string
  log: ServiceLog
  /** Called after each step, with the token that asked for it. */
  onEntered: (by: string | undefined) => void
}

export class PhaseMachine {
  readonly #settings: PhaseMachineSettings
  #phase: Phase = { kind: 'stopped' }

  constructor(settings: PhaseMachineSettings) {
    this.#settings = settings
  }

  get phase(): Phase {
    return this.#phase
  }

  get live(): LivePhase | undefined {
    return liveOf(this.#phase)
  }

  enter(next: Phase): void {
    const { service, log, onEntered } = this.#settings
    const from = this.#phase
    if (!mayFollow(from, next)) {
      log.error({ service, from, to: next }, 'a fault of threadplane: this step between phases is not in its table')
    }
    this.#phase = next
    onEntered(callerOf(from, next))
  }

  /** A step of the live phase. A replacement beside it goes on. */
  enterLive(over: LivePhase): void {
    this.enter(this.#phase.kind === 'replacing' ? { ...this.#phase, over } : over)
  }

  /** False where the service is not live any more. */
  beginReplacement(replacement: Replacement): boolean {
    const over = this.live
    if (over !== undefined) this.enter({ kind: 'replacing', over, replacement })
    return over !== undefined
  }

  endReplacement(replacement: Replacement): void {
    if (this.#phase.kind === 'replacing' && this.#phase.replacement === replacement) this.enter(this.#phase.over)
  }
}
