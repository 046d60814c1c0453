/**
 * Clients that generators make from the document of a running server: they must compile strict, and do what the server
 * does. Each generator has a package of its own beside this file, which is installed here, and by nothing else.
 *
 *   npm run test:sdk                    all generators
 *   npm run test:sdk -- openapi-fetch   some of them
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { serve } from '../http-helper.ts'
import type { Sdk } from './sdk.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PACKAGES = join(ROOT, 'test/sdk')
/** An installation may have to fetch a hundred megabytes. */
const INSTALL_AT_MOST_MS = 300_000
const GENERATE_AT_MOST_MS = 120_000

const run = promisify(execFile)
/** Both are programs of this project, not of the package. */
const npm = (folder: string, timeout: number, ...args: string[]) => run('npm', args, { cwd: folder, timeout })
const compile = (folder: string) =>
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '--project', folder]).catch(
    (error: unknown) => {
      throw new Error((error as { stdout: string }).stdout, { cause: error })
    },
  )

/** Writes the document into the package, generates, compiles, and loads what was compiled. */
async function build(name: string, document: string): Promise<(url: string) => Sdk> {
  const folder = join(PACKAGES, name)
  if (!existsSync(join(folder, 'node_modules'))) {
    await npm(folder, INSTALL_AT_MOST_MS, 'ci', '--ignore-scripts', '--no-audit', '--no-fund')
  }
  await rm(join(folder, 'generated'), { recursive: true, force: true })
  await mkdir(join(folder, 'generated'))
  await writeFile(join(folder, 'generated/openapi.json'), document)
  await npm(folder, GENERATE_AT_MOST_MS, 'run', 'generate')
  await compile(folder)
  const compiled = pathToFileURL(join(folder, `generated/compiled/${name}/sdk.js`)).href
  return ((await import(compiled)) as { createSdk: (url: string) => Sdk }).createSdk
}

async function packages(): Promise<string[]> {
  const entries = await readdir(PACKAGES, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const chosen = process.argv.slice(2)
  const unknown = chosen.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`there is no ${unknown} in test/sdk, only: ${names.join(', ')}`)
  return chosen.length > 0 ? chosen : names
}

const names = await packages()
t.setTimeout(names.length * (INSTALL_AT_MOST_MS + 2 * GENERATE_AT_MOST_MS))
for (const name of names) {
  t.test(name, async (t) => {
    const server = await serve(t, { services: { gallery: 'gallery', rich: 'rich', refuses: 'refuses', echo: 'echo' } })
    const createSdk = await build(name, (await server.get('/openapi.json')).text)
    const sdk = createSdk(`http://127.0.0.1:${server.port}`)

    t.match(await sdk.find({ id: 'one' }), { status: 200, data: { id: 'one', width: 640, tags: ['sea'] } }, 'call')
    t.match(await sdk.list(), { status: 200, data: [{ id: 'one' }] }, 'call without a body')

    const cast = await sdk.castFind('two', 'key-1')
    t.match(cast, { status: 202, data: { id: /^[0-9a-f-]{36}$/ } }, 'cast')
    const { id = '' } = cast.data ?? {}
    t.match(await sdk.castFind('two', 'key-1'), { data: { id } }, 'the header arrives: the same key is the same job')
    t.match(await sdk.wait(id, 60), { status: 200, data: { state: 'succeeded', result: { id: 'two' } } }, 'wait')

    const { data: endless } = await sdk.castRender('three')
    t.match(await sdk.cancel(endless?.id ?? ''), { status: 200 }, 'cancel')
    t.match(await sdk.wait(endless?.id ?? '', 60), { data: { state: 'cancelled' } })

    const invalid = {
      status: 422,
      problem: { code: 'VALIDATION_FAILED', errors: [{ pointer: '/id' }], retryable: false },
    }
    t.match(await sdk.find({ id: '' }), invalid, '422')
    const refused = { status: 404, problem: { code: 'METHOD_REFUSED', reason: 'PICTURE_NOT_FOUND' } }
    t.match(await sdk.find({ id: 'none' }), refused, 'a problem that the method declares')

    const image = new Blob([Uint8Array.of(0, 1, 255)], { type: 'image/png' })
    const { status, data: negative } = await sdk.invert(image)
    t.equal(status, 200, 'bytes')
    t.strictSame([...new Uint8Array((await negative?.arrayBuffer()) ?? [])], [255, 254, 0])

    const words: string[] = []
    for await (const { word } of sdk.words('a view of Graz')) words.push(word)
    t.strictSame(words, ['a', 'view', 'of', 'Graz'], 'a stream')

    t.match(await sdk.stop('gallery'), { status: 200, data: { state: 'stopped', changed: true } }, 'an operation')
    const stopped = { status: 503, problem: { code: 'SERVICE_NOT_RUNNING', retryable: true } }
    t.match(await sdk.find({ id: 'one' }), stopped, '503')
  })
}
