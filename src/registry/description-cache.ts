/**
 * What modules have said of themselves, kept in the data folder by the hash of their content: after a restart of the server
 * casts are accepted at once (P1). It is a cache: a description that is missing or damaged is made anew.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceDescription } from '../contract/description.ts'
import { readIfThere, writeInto } from './data-folder.ts'

export class DescriptionCache {
  readonly #folder: string

  /** @param data the data folder */
  constructor(data: string) {
    this.#folder = join(data, 'descriptions')
  }

  async get(moduleUrl: string): Promise<ServiceDescription | undefined> {
    const text = await readIfThere(await this.#file(moduleUrl))
    if (text === undefined) return undefined
    try {
      return JSON.parse(text) as ServiceDescription
    } catch {
      return undefined
    }
  }

  async keep(moduleUrl: string, description: ServiceDescription): Promise<void> {
    await writeInto(this.#folder, await this.#file(moduleUrl), JSON.stringify(description))
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
