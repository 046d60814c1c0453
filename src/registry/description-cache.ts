/**
 * What modules have said of themselves, kept in the data folder by the hash of their content: after a restart of the server
 * casts are accepted at once (P1). It is a cache: a description that is missing or damaged is made anew.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceDescription } from '../contract/description.ts'
import { isServiceDescription } from '../contract/description-schema.ts'
import { readIfThere, writeInto } from './data-folder.ts'

const MAX_DESCRIPTIONS = 2_000
const MAX_DESCRIPTIONS_BYTES = 256 * 1024 * 1024

export class DescriptionCache {
  readonly #folder: string
  readonly #writes = new Set<Promise<void>>()
  #shrinking: Promise<void> | undefined

  /** @param data the data folder */
  constructor(data: string) {
    this.#folder = join(data, 'descriptions')
  }

  /** `undefined` if there is none, or none that can be used. */
  async get(moduleUrl: string): Promise<ServiceDescription | undefined> {
    try {
      const file = await this.#file(moduleUrl)
      const text = await readIfThere(file)
      if (text === undefined) return undefined
      const description: unknown = JSON.parse(text)
      // The file may be damaged, or of another version of threadplane, whose options this one refuses.
      if (!isServiceDescription(description)) return undefined
      const now = new Date()
      await utimes(file, now, now).catch(() => {})
      return description
    } catch {
      return undefined
    }
  }

  async keep(moduleUrl: string, description: ServiceDescription): Promise<void> {
    const write = this.#write(moduleUrl, description)
    this.#writes.add(write)
    try {
      await write
    } finally {
      this.#writes.delete(write)
    }
  }

  /** Resolves when all that was to be kept has been written, or has failed. */
  async written(): Promise<void> {
    await Promise.allSettled(this.#writes)
  }

  async #write(moduleUrl: string, description: ServiceDescription): Promise<void> {
    await writeInto(this.#folder, await this.#file(moduleUrl), JSON.stringify(description))
    // One search for all that are written meanwhile: at a start there may be one for each of many services.
    this.#shrinking ??= this.#shrink().finally(() => {
      this.#shrinking = undefined
    })
    await this.#shrinking
  }

  /** Deletes the descriptions that were not used for the longest time. */
  async #shrink(): Promise<void> {
    const names = await readdir(this.#folder)
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(this.#folder, name)
        const { mtimeMs, size } = await stat(path).catch(() => ({ mtimeMs: 0, size: 0 }))
        return { path, mtimeMs, size }
      }),
    )
    files.sort((a, b) => b.mtimeMs - a.mtimeMs)
    let bytes = 0
    for (const [index, { path, size }] of files.entries()) {
      bytes += size
      if (index >= MAX_DESCRIPTIONS || bytes > MAX_DESCRIPTIONS_BYTES) await rm(path, { force: true })
    }
  }

  /** A module with another content has another description; so has the same module under another version of zod. */
  async #file(moduleUrl: string): Promise<string> {
    const hash = createHash('sha256')
      .update(await readFile(fileURLToPath(moduleUrl)))
      .update(await describedBy)
      .digest('hex')
    return join(this.#folder, `${hash}.json`)
  }
}

/** A widened schema is right for the versions of threadplane and zod that made it. */
const describedBy = Promise.all(['threadplane', 'zod'].map(versionOf)).then((versions) => versions.join(' '))

async function versionOf(name: string): Promise<string> {
  const text = await readFile(new URL(import.meta.resolve(`${name}/package.json`)), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
