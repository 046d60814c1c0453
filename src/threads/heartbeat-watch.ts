/**
 * Watches the heartbeat of one thread from the control side, without asking the thread: a thread whose event loop is
 * blocked would not answer. Says when the thread stops responding, when it responds again, and when it hangs.
 * Source: mode/threads.py ServiceThread._keepalive2
 */
import type { ServiceLog } from '../contract/log.ts'
import type { ServiceWorker } from './service-worker.ts'
import { timings } from './timings.ts'

/**
 * A hang is noticed within this fraction of `hangTimeoutMs`: the thread beats, and is checked, so often in that time.
 */
const CHECKS_PER_HANG_TIMEOUT = 8

interface HeartbeatListeners {
  /** The thread has had no heartbeat for 3 s (false), or it has again (true). `silentMs`: for how long it had none. */
  onResponsive: (responsive: boolean, silentMs: number) => void
  /** The thread has had no heartbeat for `hangTimeoutMs`. Called once. */
  onHang: (hangTimeoutMs: number) => void
}

export class HeartbeatWatch {
  /** When the thread was last seen to be awake, in milliseconds since the epoch, by a monotonic clock. */
  lastWakeupAt = now()
  responsive = true
  readonly #worker: ServiceWorker
  readonly #log: ServiceLog
  readonly #listeners: HeartbeatListeners
  #timer: NodeJS.Timeout | undefined
  #checkEveryMs = timings.checkEveryMs
  #checkedAt = performance.now()
  #beats = 0
  #silentMs = 0
  /** How many recordings of the thread are under way: each may block it. */
  #resting = 0
  /** Infinite while the thread starts and stops: both have timeouts of their own. */
  #hangTimeoutMs = Number.POSITIVE_INFINITY

  constructor(worker: ServiceWorker, log: ServiceLog, listeners: HeartbeatListeners) {
    this.#worker = worker
    this.#log = log
    this.#listeners = listeners
    this.#schedule()
  }

  /** Adapts the watch to the options with which the thread starts. Returns how often the thread has to beat, in ms. */
  starting(hangTimeoutMs: number): number {
    this.#checkEveryMs = Math.min(timings.checkEveryMs, hangTimeoutMs / CHECKS_PER_HANG_TIMEOUT)
    this.#schedule()
    return Math.min(timings.heartbeatEveryMs, hangTimeoutMs / CHECKS_PER_HANG_TIMEOUT)
  }

  /** The thread has started: from now on it hangs after `hangTimeoutMs` without a heartbeat. */
  started(hangTimeoutMs: number): void {
    this.#silentMs = 0
    this.#hangTimeoutMs = hangTimeoutMs
  }

  /** Until the function that it returns is called, the thread does not count as silent, and does not hang. */
  rest(): () => void {
    this.#resting += 1
    this.#silentMs = 0
    return () => {
      this.#resting -= 1
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** The control thread has heard of the thread: by a heartbeat, or by a message. Called for each message. */
  heard(): void {
    if (this.responsive) return
    this.responsive = true
    const silentMs = now() - this.lastWakeupAt
    this.lastWakeupAt = now()
    this.#log.info({ service: this.#worker.service }, 'Thread keepalive is responding again')
    this.#listeners.onResponsive(true, silentMs)
  }

  /** For how long the thread has had no heartbeat, in milliseconds. */
  get silentMs(): number {
    return this.#silentMs
  }

  #schedule(): void {
    clearInterval(this.#timer)
    if (!this.#worker.isStopped) this.#timer = setInterval(() => this.#check(), this.#checkEveryMs).unref()
  }

  #check(): void {
    const elapsedMs = performance.now() - this.#checkedAt
    this.#checkedAt += elapsedMs
    // A pause of the whole process is not counted.
    this.#silentMs = this.#resting > 0 ? 0 : this.#silentMs + Math.min(elapsedMs, 2 * this.#checkEveryMs)
    this.#worker.sampleUtilization()
    const beats = this.#worker.pulse.count
    if (beats !== this.#beats) {
      this.#beats = beats
      this.#silentMs = 0
      this.heard()
      this.lastWakeupAt = now()
    } else if (this.responsive && now() - this.lastWakeupAt > timings.unresponsiveAfterMs) {
      this.responsive = false
      this.#log.error({ service: this.#worker.service }, 'Thread keepalive is not responding')
      this.#listeners.onResponsive(false, now() - this.lastWakeupAt)
    }
    if (this.#silentMs < this.#hangTimeoutMs) return
    const hangTimeoutMs = this.#hangTimeoutMs
    this.#hangTimeoutMs = Number.POSITIVE_INFINITY
    this.#listeners.onHang(hangTimeoutMs)
  }
}

function now(): number {
  return performance.timeOrigin + performance.now()
}
