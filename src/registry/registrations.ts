/** The registrations as the registry reads and changes them: a view at hand, over a store that others may change too. */
import { resolvesWithin } from '../async/deadline.ts'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { OneByOne } from './one-by-one.ts'
import type { Registration, RegistrationStore, StoredRegistration } from './registration-store.ts'

/** If another server has changed a registration first, the change is made again from that one, at most so many times. */
const MAX_TRIES = 16
const WRITTEN_WITHIN_MS = 5_000

type Change = (known: Registration | undefined) => Registration | undefined

export class Registrations {
  readonly #store: RegistrationStore
  #view = new Map<string, StoredRegistration>()
  readonly #changes = new OneByOne()
  readonly #listeners = new Set<(name: string) => void>()

  private constructor(store: RegistrationStore) {
    this.#store = store
  }

  static async read(store: RegistrationStore): Promise<Registrations> {
    const registrations = new Registrations(store)
    store.watch((name, stored) => {
      if (stored === undefined) registrations.#view.delete(name)
      else registrations.#view.set(name, stored)
      for (const listener of registrations.#listeners) listener(name)
    })
    registrations.#view = await store.read()
    return registrations
  }

  /** Do other servers change them too? */
  get areShared(): boolean {
    return this.#store.isShared
  }

  /** Calls the listener after each change, of this server or of another. */
  onChanged(listener: (name: string) => void): void {
    this.#listeners.add(listener)
  }

  /** Resolves when the changes of this server that are under way are written, or could not be. */
  async settled(name: string): Promise<void> {
    await this.#changes.run(name, async () => {})
  }

  /** Reads what other servers have changed, without waiting until that is told. @throws JOURNAL_UNAVAILABLE */
  async refresh(): Promise<void> {
    this.#view = await this.#store.read()
  }

  get(name: string): Registration | undefined {
    return this.#view.get(name)?.registration
  }

  /** Why what is stored of a service cannot be used, if it cannot. */
  damageOf(name: string): Error | undefined {
    return this.#view.get(name)?.damage
  }

  entries(): [name: string, registration: Registration][] {
    return [...this.#view].map(([name, { registration }]) => [name, registration])
  }

  /**
   * Resolves once the change is on disk. Changes of one name are written in the order of their calls, and each starts from
   * what the one before wrote.
   * @param change gets what is stored; `undefined` stands for no registration
   * @throws JOURNAL_UNAVAILABLE
   */
  async update(name: string, change: Change): Promise<void> {
    // A disk may hang for ever. The change is not given up: it is written when the disk answers.
    if (
      await resolvesWithin(
        this.#changes.run(name, () => this.#update(name, change)),
        WRITTEN_WITHIN_MS,
      )
    )
      return
    const detail = `the registration of ${name} has not been written within ${WRITTEN_WITHIN_MS} ms. It may still be`
    throw new ThreadplaneError('JOURNAL_UNAVAILABLE', detail, {
      service: name,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    })
  }

  async #update(name: string, change: Change): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stored = this.#view.get(name)
      if (await this.#store.set(name, change(stored?.registration), stored?.revision)) return
      this.#view = await this.#store.read()
    }
    throw new ThreadplaneError('CONFLICT', `other servers change the registration of ${name} all the time`, {
      service: name,
    })
  }
}
