/**
 * Serves the page: the few files that `npm run build` makes of `dashboard/`. They are read once, at the start, with their
 * compressed copies. Each file is a route of its own, so no path of a request ever becomes a path of the disk.
 *
 * The files need no token: they hold no data, and the page asks for one itself. The page works below any prefix, as its
 * index refers to the files by relative paths, in the depth of each address.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import Negotiator from 'negotiator'

/** Addresses of the page. The script reads them and shows what they say. */
const ADDRESSES = [
  '/',
  '/services',
  '/services/:name',
  '/jobs',
  '/jobs/:id',
  '/failures',
  '/schedules',
  '/activity',
  '/system',
]

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Name in `Accept-Encoding` → ending of the compressed copy, the smaller one first. */
const ENCODINGS = { br: '.br', gzip: '.gz' } as const

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
}

interface StoredFile {
  type: string
  etag: string
  cacheControl: string
  /** `identity` is always there. */
  bytes: Map<string, Buffer>
}

/** @param folder what `npm run build` made; if it does not exist, the server has no page */
export const page = fp<{ folder?: string }>(async (app, { folder = builtFolder() }) => {
  if (!existsSync(join(folder, 'index.html'))) return
  const config = { scope: 'none' } as const
  const schema = { hide: true }
  for (const path of filesOf(folder)) {
    const file = readStored(folder, path)
    app.get(`/${path}`, { config, schema, handler: async (request, reply) => sendStored(request, reply, file) })
  }
  const html = readFileSync(join(folder, 'index.html'), 'utf8')
  for (const address of ADDRESSES) {
    const file = indexAt(html, address.split('/').length - 2)
    app.get(address, { config, schema, handler: async (request, reply) => sendStored(request, reply, file) })
  }
})

function builtFolder(): string {
  return fileURLToPath(new URL('../../dashboard/', import.meta.url))
}

/** All but the index and the compressed copies, relative to the folder. */
function filesOf(folder: string): string[] {
  const assets = join(folder, 'assets')
  const names = existsSync(assets) ? readdirSync(assets).map((name) => `assets/${name}`) : []
  return [...names, ...readdirSync(folder)].filter((path) => extname(path) in TYPES && path !== 'index.html')
}

function readStored(folder: string, path: string): StoredFile {
  const identity = readFileSync(join(folder, path))
  const bytes = new Map([['identity', identity]])
  for (const [encoding, ending] of Object.entries(ENCODINGS)) {
    if (existsSync(join(folder, path + ending))) bytes.set(encoding, readFileSync(join(folder, path + ending)))
  }
  // The name of an asset has a hash of its content.
  const cacheControl = path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
  return { type: TYPES[extname(path)] as string, etag: etagOf(identity), cacheControl, bytes }
}

function indexAt(html: string, depth: number): StoredFile {
  const identity = Buffer.from(html.replaceAll('"./', `"${depth === 0 ? './' : '../'.repeat(depth)}`))
  const bytes = new Map([['identity', identity]])
  return { type: TYPES['.html'] as string, etag: etagOf(identity), cacheControl: 'no-cache', bytes }
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
}

function sendStored({ raw }: FastifyRequest, reply: FastifyReply, { type, etag, cacheControl, bytes }: StoredFile) {
  const accepted = new Negotiator(raw).encodings([...bytes.keys()])
  const encoding = Object.keys(ENCODINGS).find((one) => accepted.includes(one)) ?? 'identity'
  reply
    .headers(SECURITY_HEADERS)
    .headers({ 'cache-control': cacheControl, etag, vary: 'Accept-Encoding', 'content-type': type })
  if (raw.headers['if-none-match']?.includes(etag)) return reply.code(304).send()
  if (encoding !== 'identity') reply.header('content-encoding', encoding)
  return reply.send(bytes.get(encoding) ?? bytes.get('identity'))
}
