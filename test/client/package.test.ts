/** `threadplane/client` as a package sees it: its types, and that it loads where there is no Node. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type AsJson, createClient, type Fetch } from 'threadplane/client'
import type bytes from '../http-fixtures/bytes.ts'
import type echo from '../http-fixtures/echo.ts'
import type streams from '../http-fixtures/streams.ts'

const DIST = fileURLToPath(new URL('../../src/client/', import.meta.url))
const SPECIFIER = /\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g

t.test('the client imports its own files and nothing else', async (t) => {
  const seen = new Set<string>()
  const open = [join(DIST, 'index.js')]
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    for (const [, specifier = ''] of (await readFile(file, 'utf8')).matchAll(SPECIFIER)) {
      t.match(specifier, /^\.\/[a-z-]+\.js$/, `${file} imports ${specifier}`)
      open.push(join(dirname(file), specifier))
    }
  }
  t.ok(seen.size >= 8, `${seen.size} files`)
})

t.test(
  'names become paths, with their characters escaped; there is no request before a method is called',
  async (t) => {
    const urls: string[] = []
    const answer: Fetch = async (url) => {
      urls.push(url)
      return Response.json({ id: 'a/b' })
    }
    const plane = createClient({ url: 'http://a.example/behind/', fetch: answer })
    const service = plane.service('a/b')
    await service.call['c?d']?.()
    const job = await service.cast['m']?.({}, { delayMs: 0, priority: 9 })
    await job?.status()
    await plane.request('get', '/v1/events?service=a', {
      query: { type: ['a.*', 'b'], after: undefined, snapshot: true },
    })
    t.strictSame(urls, [
      'http://a.example/behind/v1/services/a%2Fb/call/c%3Fd',
      'http://a.example/behind/v1/services/a%2Fb/cast/m?delayMs=0&priority=9',
      'http://a.example/behind/v1/jobs/a%2Fb',
      'http://a.example/behind/v1/events?service=a&type=a.*%2Cb&snapshot=true',
    ])
  },
)

/** Is compiled and never run. */
export async function types(): Promise<void> {
  const plane = createClient()
  const { call, cast } = plane.service<typeof echo>('echo')
  const text: string = await call.byName({ name: 'a' })
  const difference: unknown = await call.byPosition([1, 2])
  const job = await cast.byName({ name: text }, { delayMs: 1 })
  const result: string = await job.result()
  // @ts-expect-error a wrong payload
  await call.byName({ name: 1 })
  // @ts-expect-error a payload that is missing
  await call.byName()
  // @ts-expect-error a tuple that is too short
  await cast.byPosition([1])
  // @ts-expect-error a method that does not exist
  await call.byNames({ name: 'a' })
  // @ts-expect-error an option of casts
  await call.byName({ name: 'a' }, { delayMs: 1 })
  // @ts-expect-error a result of another type
  const wrong: number = await job.result()

  const binary = plane.service<typeof bytes>('bytes')
  const image: Uint8Array = await binary.call.invert(new Uint8Array(1), { contentType: 'image/png' })
  // @ts-expect-error bytes, and not JSON
  await binary.call.invert({ image: true })
  const kept: string = await (await binary.cast.zeros(1)).result()

  const { count } = plane.service<typeof streams>('streams').call
  for await (const { n } of count({ to: 1 })) n.toFixed()
  for await (const { n } of await count({ to: 1 })) n.toFixed()
  // @ts-expect-error items of another type
  for await (const { m } of count({ to: 1 })) m()
  const dates: AsJson<{ at: Date; list: { at?: Date }[] }> = { at: '2026', list: [{ at: '2026' }, {}] }
  t.comment(dates, difference, result, wrong, image, kept)
}
