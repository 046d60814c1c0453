/**
 * What the data folder keeps of the services: registrations over HTTP, desired states, and the descriptions of
 * modules by content hash, so that after a restart casts are accepted at once (P1).
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import type { ServiceDescription } from '../contract/description.ts'
import { ThreadplaneError } from '../contract/errors.ts'
import { NAME_PATTERN, serviceOptionsSchema } from '../contract/options.ts'

const registrationSchema = z.strictObject({
  /** Absent where the service comes from the workers folder and was never registered over HTTP. */
  module: z.string().optional(),
  options: serviceOptionsSchema.optional(),
  desiredState: z.enum(['running', 'stopped']).optional(),
  /** Deleted over HTTP: its file in the workers folder is no service until it is registered again. */
  deleted: z.literal(true).optional(),
})

/** How soon a client may try again where nothing can be written. */
const RETRY_AFTER_SECONDS = 5

/** What keeps a folder from being made, and may pass: no room, no right to write. (Node says ENOENT of a read-only parent.) */
const MAY_PASS = new Set<string | undefined>(['ENOSPC', 'EDQUOT', 'EROFS', 'ENOENT', 'EACCES', 'EPERM', 'EIO'])

const nameSchema = z.string().regex(NAME_PATTERN)

const fileSchema = z.strictObject({
  version: z.literal(1),
  // Not a record, which would lose the service that is named __proto__.
  services: z.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
})

export type Registration = z.infer<typeof registrationSchema>

export class RegistrationFile {
  readonly #folder: string
  #services: ReadonlyMap<string, Registration> = new Map()
  /** The last write: they follow each other, each with what those before it have written. */
  #written: Promise<void> = Promise.resolve()

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Reads the folder. A damaged file stops the start, and names itself; one that cannot be written does not. */
  static async open(folder: string): Promise<RegistrationFile> {
    try {
      await mkdir(folder, { recursive: true })
    } catch (error) {
      if (!MAY_PASS.has((error as NodeJS.ErrnoException).code)) {
        throw new Error(`the data folder ${folder} cannot be used`, { cause: error })
      }
    }
    const registrations = new RegistrationFile(folder)
    await registrations.#load()
    return registrations
  }

  get #file(): string {
    return join(this.#folder, 'services.json')
  }

  async #load(): Promise<void> {
    try {
      const text = await readIfThere(this.#file)
      if (text === undefined) return
      const { services } = fileSchema.parse(JSON.parse(text))
      this.#services = new Map(
        Object.entries(services).map(([name, registration]) => [
          nameSchema.parse(name),
          registrationSchema.parse(registration),
        ]),
      )
    } catch (error) {
      throw new Error(`${this.#file} cannot be read: repair it, or move it away to begin without registrations`, {
        cause: error,
      })
    }
  }

  get(name: string): Registration | undefined {
    return this.#services.get(name)
  }

  entries(): [string, Registration][] {
    return [...this.#services]
  }

  /** Resolves once it is on disk; until then nothing has changed. @throws JOURNAL_UNAVAILABLE */
  async set(name: string, next: (known: Registration | undefined) => Registration | undefined): Promise<void> {
    const written = this.#written.then(() => {
      const services = new Map(this.#services)
      const registration = next(services.get(name))
      if (registration === undefined) services.delete(name)
      else services.set(name, registration)
      return this.#write(services)
    })
    this.#written = written.catch(() => {})
    await written
  }

  async #write(services: Map<string, Registration>): Promise<void> {
    const text = JSON.stringify({ version: 1, services: Object.fromEntries(services) }, null, 2)
    try {
      await writeInto(this.#folder, this.#file, `${text}\n`)
    } catch (error) {
      const { message } = error as Error
      throw new ThreadplaneError('JOURNAL_UNAVAILABLE', `the data folder cannot be written: ${message}`, {
        cause: error,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
    this.#services = services
  }

  async description(moduleUrl: string): Promise<ServiceDescription | undefined> {
    const text = await readIfThere(await this.#descriptionFile(moduleUrl))
    if (text === undefined) return undefined
    try {
      return JSON.parse(text) as ServiceDescription
    } catch {
      // It is only a cache: the module describes itself again.
      return undefined
    }
  }

  async keepDescription(moduleUrl: string, description: ServiceDescription): Promise<void> {
    const file = await this.#descriptionFile(moduleUrl)
    await writeInto(dirname(file), file, JSON.stringify(description))
  }

  /** By content: a changed module is another one. So is the same under another version of what describes it. */
  async #descriptionFile(moduleUrl: string): Promise<string> {
    const hash = createHash('sha256')
      .update(await readFile(fileURLToPath(moduleUrl)))
      .update(await describedBy)
      .digest('hex')
    return join(this.#folder, 'descriptions', `${hash}.json`)
  }
}

/** The folder may have been missing, or on a disk without room, at the start. */
async function writeInto(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFileAtomic(file, text)
}

/** The versions of what describes a module: a widened schema is right for the zod that made it. */
const describedBy = Promise.all(['threadplane', 'zod'].map(versionOf)).then((versions) => versions.join(' '))

async function versionOf(name: string): Promise<string> {
  const text = await readFile(new URL(import.meta.resolve(`${name}/package.json`)), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
