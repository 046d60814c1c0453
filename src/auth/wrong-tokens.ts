/**
 * Counts wrong tokens by the address that they come from. A right token is accepted from any address: others share it.
 * After too many, each answer to a wrong token from that address is late. So a connection can try one token a second, and
 * takes little of the server's time from other clients.
 */
import { isIPv6 } from 'node:net'

const MAX_WRONG_TOKENS = 20
const WINDOW_MS = 60_000
/** Only tests change this. */
export const timings = {
  /** How late, in milliseconds, a wrong token is answered if too many have come from its address. */
  answerLateMs: 1_000,
}
/** Beyond it, the address that was counted first is forgotten. */
const MAX_ADDRESSES = 10_000

interface Count {
  wrong: number
  until: number
}

export class WrongTokens {
  readonly #counts = new Map<string, Count>()

  /** Counts a wrong token. 0 if the address may try again, else milliseconds until it may. */
  add(address: string, now: number): number {
    const key = networkOf(address)
    let count = this.#counts.get(key)
    if (count === undefined || count.until <= now) {
      this.#counts.delete(key)
      count = { wrong: 0, until: now + WINDOW_MS }
      this.#counts.set(key, count)
      const [first] = this.#counts.keys()
      if (this.#counts.size > MAX_ADDRESSES && first !== undefined) this.#counts.delete(first)
    }
    count.wrong += 1
    return count.wrong > MAX_WRONG_TOKENS ? count.until - now : 0
  }
}

/** One client has many IPv6 addresses with the same first half. */
function networkOf(address: string): string {
  return isIPv6(address) && !address.includes('.') ? address.split(':', 4).join(':') : address
}
