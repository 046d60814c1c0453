/** The page as the server sends it: files, caching, the addresses of the page. What the page does is tested elsewhere. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import Fastify from 'fastify'
import t from 'tap'
import { page } from '../../src/http/page.ts'
import { TokensRig } from '../auth/tokens-rig.ts'
import { isProblem, serve } from '../http-helper.ts'

const rig = new TokensRig(t)
await rig.add('reader', ['read'])
const server = await serve(t, { services: {}, tokens: await rig.open() })
const index = await server.get('/')
const [script = ''] = /assets\/[^"]+\.js/.exec(index.text) ?? []

t.test('the index needs no token, may load only files of the server, and is asked for again each time', async (t) => {
  t.equal(index.status, 200)
  t.equal(index.headers['content-type'], 'text/html; charset=utf-8')
  t.equal(
    index.headers['content-security-policy'],
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  t.match(index.headers, {
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  })
  t.notMatch(index.text, /<style|style=|<script>|https?:/, 'nothing that the policy forbids')
})

t.test('each address of the page is the index, with the path to its files', async (t) => {
  for (const path of ['/services', '/jobs', '/failures', '/schedules', '/activity', '/system?since=1h']) {
    t.equal((await server.get(path)).text, index.text, path)
  }
  for (const path of ['/services/a.b', '/jobs/019ab4']) {
    t.equal((await server.get(path)).text, index.text.replaceAll('"./', '"../'), path)
  }
})

t.test('files with a hash in their names are kept for ever, and sent compressed', async (t) => {
  const plain = await server.get(`/${script}`)
  t.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8')
  t.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable')
  t.equal(plain.headers.vary, 'Accept-Encoding')
  t.equal(plain.headers['content-encoding'], undefined)
  const get = (encodings: string) => server.get(`/${script}`, { headers: { 'accept-encoding': encodings } })
  const [br, gzip, neither] = [await get('gzip, deflate, br'), await get('gzip'), await get('br;q=0, zstd')]
  t.equal(br.headers['content-encoding'], 'br')
  t.equal(gzip.headers['content-encoding'], 'gzip')
  t.ok(brotliDecompressSync(br.bytes).equals(plain.bytes))
  t.ok(gunzipSync(gzip.bytes).equals(plain.bytes))
  t.ok(neither.bytes.equals(plain.bytes))
})

t.test('a browser that has a file is told so; HEAD sends the headers only', async (t) => {
  for (const path of ['/', `/${script}`, '/icon.svg']) {
    const { etag = '', ...headers } = (await server.get(path)).headers
    const again = await server.get(path, { headers: { 'if-none-match': etag } })
    t.equal(again.status, 304, path)
    t.equal(again.bytes.length, 0)
    const head = await server.request('HEAD', path)
    t.equal(head.bytes.length, 0)
    t.match(head.headers, {
      etag,
      'content-type': headers['content-type'],
      'content-length': headers['content-length'],
    })
  }
})

t.test('no other path reaches a file', async (t) => {
  const paths = [
    '/index.html',
    '/assets/',
    '/assets/../../package.json',
    '/assets/..%2f..%2fpackage.json',
    `/${script}.br`,
  ]
  for (const path of [...paths, '/services/a/b']) isProblem(t, await server.get(path), 'ROUTE_NOT_FOUND')
})

t.test('beside the page, everything asks for its token as ever', async (t) => {
  for (const path of ['/v1/services', '/docs', '/openapi.json']) isProblem(t, await server.get(path), 'UNAUTHORIZED')
  t.equal((await server.get('/livez')).status, 200)
})

t.test('without the files of the page a server has no page', async (t) => {
  const folder = t.testdir({})
  const app = Fastify()
  await app.register(page, { folder })
  t.equal((await app.inject('/')).statusCode, 404)
  mkdirSync(`${folder}/assets`)
  writeFileSync(`${folder}/index.html`, '<script src="./assets/a.js">')
  const withPage = Fastify()
  await withPage.register(page, { folder })
  t.equal((await withPage.inject('/jobs/1')).body, '<script src="../assets/a.js">')
})
