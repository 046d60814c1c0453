/** The registrations of one server: a JSON file in the data folder, written anew, in one step, for each change. */
import { join } from 'node:path'
import { z } from 'zod'
import { RETRY_AFTER_SECONDS, ThreadplaneError } from '../contract/errors.ts'
import { makeFolder, readIfThere, writeInto } from './data-folder.ts'
import {
  type Registration,
  type RegistrationListener,
  type RegistrationStore,
  readStored,
  type StoredRegistration,
} from './registration-store.ts'

const fileSchema = z.strictObject({
  version: z.literal(1),
  // Not a z.record, which would lose the service that is named __proto__.
  services: z.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
})

const fileIn = (folder: string) => join(folder, 'services.json')

/**
 * The name of each service, and what the file has of it, whether that can be used or not.
 * @throws if the file as a whole is damaged: the error names it
 */
export async function readServices(folder: string): Promise<[name: string, stored: unknown][]> {
  const file = fileIn(folder)
  try {
    const text = await readIfThere(file)
    return text === undefined ? [] : Object.entries(fileSchema.parse(JSON.parse(text)).services)
  } catch (error) {
    throw new Error(`${file} cannot be read: repair it, or move it away to begin without registrations`, {
      cause: error,
    })
  }
}

/** Writes the file anew, in one step. */
export async function writeServices(
  folder: string,
  stored: Iterable<readonly [name: string, stored: unknown]>,
): Promise<void> {
  const services = Object.fromEntries(stored)
  await writeInto(folder, fileIn(folder), `${JSON.stringify({ version: 1, services }, null, 2)}\n`)
}

export class RegistrationFile implements RegistrationStore {
  readonly isShared = false
  readonly #folder: string
  #stored: ReadonlyMap<string, StoredRegistration> = new Map()
  readonly #listeners = new Set<RegistrationListener>()
  /** What the file has of registrations that cannot be used: it stays there until they are replaced or deleted. */
  readonly #damaged = new Map<string, unknown>()
  #lastRevision = 0
  /** The last write. Writes follow one another, each with all that those before it have written. */
  #written: Promise<unknown> = Promise.resolve()

  private constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * Reads the file of a data folder, which is made if it is missing. A registration that cannot be used has `damage`.
   * @throws if the file as a whole is damaged: the error names it. A folder that cannot be written is no error.
   */
  static async open(folder: string): Promise<RegistrationFile> {
    await makeFolder(folder)
    const file = new RegistrationFile(folder)
    await file.#load()
    return file
  }

  async #load(): Promise<void> {
    const entries = await readServices(this.#folder)
    this.#stored = new Map(entries.map(([name, stored]) => [name, this.#read(name, stored)]))
  }

  #read(name: string, stored: unknown): StoredRegistration {
    this.#lastRevision += 1
    const read = readStored(name, stored, this.#lastRevision, 'services.json')
    if (read.damage !== undefined) this.#damaged.set(name, stored)
    return read
  }

  #revised(registration: Registration): StoredRegistration {
    this.#lastRevision += 1
    return { registration, revision: this.#lastRevision }
  }

  async read(): Promise<Map<string, StoredRegistration>> {
    return new Map(this.#stored)
  }

  set(name: string, registration: Registration | undefined, expected: number | undefined): Promise<boolean> {
    const written = this.#written.then(() => this.#set(name, registration, expected))
    this.#written = written.catch(() => {})
    return written
  }

  async #set(name: string, registration: Registration | undefined, expected: number | undefined): Promise<boolean> {
    if (this.#stored.get(name)?.revision !== expected) return false
    const stored = new Map(this.#stored)
    const changed = registration && this.#revised(registration)
    if (changed === undefined) stored.delete(name)
    else stored.set(name, changed)
    await this.#write(stored)
    this.#stored = stored
    this.#damaged.delete(name)
    for (const listener of this.#listeners) listener(name, changed)
    return true
  }

  async #write(stored: ReadonlyMap<string, StoredRegistration>): Promise<void> {
    const services = [...stored].map(
      ([name, { registration, damage }]) => [name, damage ? this.#damaged.get(name) : registration] as const,
    )
    try {
      await writeServices(this.#folder, services)
    } catch (error) {
      const { message } = error as Error
      throw new ThreadplaneError('JOURNAL_UNAVAILABLE', `the data folder cannot be written: ${message}`, {
        cause: error,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
  }

  watch(listener: RegistrationListener): void {
    this.#listeners.add(listener)
  }
}
