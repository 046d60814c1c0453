/** Lets the person write a text in an editor. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CliError, EXIT } from '../exit-codes.ts'

/** What the person made of the text. @throws CliError if the editor fails, or leaves the file empty */
export async function edited(text: string, { VISUAL, EDITOR }: NodeJS.ProcessEnv): Promise<string> {
  const editor = VISUAL || EDITOR || 'vi'
  // The payload may be a secret: nobody else may read the file.
  const folder = await mkdtemp(join(tmpdir(), 'threadplane-'))
  try {
    const file = join(folder, 'payload.json')
    await writeFile(file, text, { mode: 0o600 })
    // Through the shell, as EDITOR may have arguments: `code --wait`.
    const child = spawn(`${editor} "$THREADPLANE_EDITED"`, {
      shell: true,
      stdio: 'inherit',
      env: { ...process.env, THREADPLANE_EDITED: file },
    })
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new CliError(EXIT.failed, `the editor ${editor} has failed: nothing was sent`)
    const result = await readFile(file, 'utf8')
    if (result.trim() === '') throw new CliError(EXIT.failed, 'the payload is empty: nothing was sent')
    return result
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** An object to begin with: a value for each property of the JSON Schema of a method's input. */
export function exampleOf(schema: unknown): unknown {
  const {
    type,
    properties,
    items,
    enum: values,
    default: preset,
    const: fixed,
    minimum,
    required,
  } = (schema ?? {}) as JsonSchema
  if (preset !== undefined) return preset
  if (fixed !== undefined) return fixed
  if (values !== undefined) return values[0]
  if (properties !== undefined) {
    const needed = Object.entries(properties).filter(([name]) => required?.includes(name) ?? true)
    return Object.fromEntries(needed.map(([name, property]) => [name, exampleOf(property)]))
  }
  if (type === 'array') return items === undefined ? [] : [exampleOf(items)]
  if (type === 'integer' || type === 'number') return minimum ?? 0
  if (type === 'boolean') return false
  return type === 'string' ? '' : {}
}

interface JsonSchema {
  type?: string
  properties?: Record<string, JsonSchema>
  items?: JsonSchema
  enum?: unknown[]
  default?: unknown
  const?: unknown
  minimum?: number
  required?: string[]
}
