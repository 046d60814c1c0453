/**
 * Writes to `openapi/`: the OpenAPI document of a server with the bundled services, as JSON and as YAML, and the JSON Schema
 * of `threadplane.json`, for editors.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { declaredFileJsonSchema } from '../src/registry/declared-services.ts'
import { buildServer } from '../src/server/build-server.ts'

const FORMATS = ['openapi.json', 'openapi.yaml'] as const

/** File name → its text. */
export async function bundledDocuments(): Promise<Map<string, string>> {
  const data = await mkdtemp(join(tmpdir(), 'threadplane-'))
  const workers = fileURLToPath(new URL('../workers/', import.meta.url))
  const { app, registry } = await buildServer({ workers, data, log: pino({ level: 'silent' }) })
  try {
    await registry.startAll()
    const documents = new Map<string, string>()
    for (const format of FORMATS) {
      const { body } = await app.inject({ url: `/${format}`, headers: { host: 'localhost' } })
      documents.set(format, format.endsWith('.json') ? `${JSON.stringify(JSON.parse(body), null, 2)}\n` : body)
    }
    documents.set('threadplane.schema.json', `${JSON.stringify(declaredFileJsonSchema(), null, 2)}\n`)
    return documents
  } finally {
    await app.close()
    await rm(data, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [format, text] of await bundledDocuments()) await writeFile(join('openapi', format), text)
}
