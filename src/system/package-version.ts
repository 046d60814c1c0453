/** The version of this package. In a file of its own: to read the settings takes a quarter of a second of CPU time. */
import { readFileSync } from 'node:fs'

export function packageVersion(): string {
  const url = new URL(import.meta.resolve('threadplane/package.json'))
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version
}
