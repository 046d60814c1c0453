/** The files of a new project, from the folder `templates`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const TEMPLATES = ['ts', 'js'] as const
export type Template = (typeof TEMPLATES)[number]

/** npm leaves files out of a package, or reads them as its own, if they have these names with the dot. */
const DOT_FILES = new Set(['gitignore', 'dockerignore'])

const FOLDER = fileURLToPath(new URL('../init/templates/', import.meta.url))

/** Paths within the project → texts. @param name of the project */
export function templateFiles(template: Template, name: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const part of ['both', template]) {
    const folder = join(FOLDER, part)
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(relative(folder, entry.parentPath), DOT_FILES.has(entry.name) ? `.${entry.name}` : entry.name)
      files.set(path, readFileSync(join(entry.parentPath, entry.name), 'utf8').replaceAll('{{name}}', name))
    }
  }
  return files
}
