/**
 * Watches folders for changes of the files in them. It tells only that something has changed: a program may write a file in
 * several steps, or replace it by another, so the listener looks at the files themselves. It watches until the process ends.
 */
import { once } from 'node:events'
import { existsSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { watch } from 'chokidar'

/** A change is told when there was none for so long, */
const QUIET_MS = 100
/** or after so long, if files change all the time. */
const AT_LATEST_MS = 1_000
/** Files that a module can import. Others, such as a log, change often. */
const IMPORTABLE = /\.([cm]?[jt]s|json|node|wasm)$/
const IGNORED = /(^|[/\\])(node_modules|\.git)$/

export class Watcher {
  readonly #folders = new Set<string>()
  readonly #onChange: () => void
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #firstAt: number | undefined

  /** @param onError called if the system watches no more files */
  constructor(onChange: () => void, onError: (error: unknown) => void) {
    this.#onChange = onChange
    this.#onError = onError
  }

  /** Watches these folders from now on, besides those before. Of one that is missing, the nearest folder above it. False if all were watched. */
  async add(folders: Iterable<string>): Promise<boolean> {
    const added = [...new Set([...folders].map(existing))].filter((folder) => !this.#folders.has(folder))
    if (added.length === 0) return false
    for (const folder of added) this.#folders.add(folder)
    const ignored = (path: string, stats?: Stats) => (stats?.isFile() ? !IMPORTABLE.test(path) : IGNORED.test(path))
    const watcher = watch(added, { depth: 0, ignoreInitial: true, ignored })
    watcher.on('all', () => this.#changed()).on('error', this.#onError)
    await once(watcher, 'ready')
    return true
  }

  #changed(): void {
    const now = performance.now()
    this.#firstAt ??= now
    clearTimeout(this.#timer)
    const tell = () => {
      this.#firstAt = undefined
      this.#onChange()
    }
    this.#timer = setTimeout(tell, Math.max(Math.min(QUIET_MS, this.#firstAt + AT_LATEST_MS - now), 0))
  }
}

function existing(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existing(dirname(folder))
}
