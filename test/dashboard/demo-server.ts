/** A server with services as users have them, and with work: for the pictures of the page. */
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildServer } from '../../src/server/build-server.ts'
import { becomes, Logs, request } from '../http-helper.ts'

const WORKERS = fileURLToPath(new URL('./demo/', import.meta.url))

export interface DemoServer {
  port: number
  /** A job that has failed three times. */
  failedJob: string
  /** Lets the service `search` crash until it waits to be started again. */
  crash: () => Promise<void>
  close: () => Promise<void>
}

export async function startDemo(): Promise<DemoServer> {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-demo-'))
  const server = await buildServer({ workers: WORKERS, data: folder, log: new Logs().logger })
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  await server.registry.startAll()
  const { port } = server.app.server.address() as AddressInfo
  const post = async (path: string, json: unknown = {}) => {
    const answer = await request(port, 'POST', path, { json })
    if (answer.status >= 400 && answer.status !== 500) throw new Error(`${path}: ${answer.text}`)
    return answer.json
  }
  const cast = (method: string, json: unknown) => post(`/v1/services/${method.replace('.', '/cast/')}`, json)
  const failed: string[] = []
  for (let n = 1; n <= 24; n += 1) {
    await cast('mailer.send', { to: `customer${n}@example.com`, template: 'welcome' })
    if (n % 3 === 0) await cast('mailer.send', { to: `old${n}@mail.invalid`, template: 'reminder' })
    if (n % 4 === 0) await cast('invoices.render', { invoice: `2026-10${n}`, locale: 'de' })
    if (n % 6 === 0) failed.push((await cast('invoices.render', { invoice: `2026-11${n}`, locale: 'he' })).id)
  }
  const [failedJob = ''] = failed
  await request(port, 'GET', `/v1/jobs/${failedJob}`, { headers: { prefer: 'wait=30' } })
  const queued = async () => (await request(port, 'GET', '/v1/jobs?state=queued&limit=1')).json.items.length
  await becomes('all jobs to begin', async () => (await queued()) === 0)
  await post('/v1/services/thumbnails/pause')
  for (let n = 0; n < 203; n += 1) await cast('thumbnails.shrink', { image: `cats/${n}.jpg`, width: 320 })
  let ended = false
  const load = async () => {
    for (let n = 0; !ended; n += 1) {
      await post('/v1/services/invoices/call/total', { account: `A${n}`, month: '2026-11' })
      await post('/v1/services/search/call/find', { words: 'threads' })
    }
  }
  const loads = [load(), load()]
  const crash = async () => {
    await post('/v1/services/search/cast/crash')
    await becomes('search to crash', () => server.registry.get('search').restartCount > 0)
  }
  const close = async () => {
    ended = true
    await Promise.allSettled(loads)
    await server.app.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { port, failedJob, crash, close }
}
