/**
 * The page with 500 services and many jobs, and what it costs: the size of its scripts is a limit; the times are printed
 * only, as they depend on the machine.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { DatabaseSync } from '@photostructure/sqlite'
import type { Page } from 'playwright-core'
import t from 'tap'
import { serve } from '../http-helper.ts'
import { noBrowser, openBrowser, openPage } from './browser.ts'

const SERVICES = 500
const JOBS = process.env.THREADPLANE_SOAK === '1' ? 1_000_000 : 20_000
const EVENT = {
  type: 'service.state',
  from: 'running',
  desiredState: 'stopped',
  draining: false,
  reason: null,
  nextStartAt: null,
  restartCount: 0,
  restartBudget: { maxRestarts: 5, periodMs: 60_000, remaining: 5 },
  by: null,
} as const
const EVENTS_PER_S = 200
const MEASURED_MS = process.env.THREADPLANE_SOAK === '1' ? 10_000 : 3_000

t.test('all scripts together have at most 70 kB, compressed', async (t) => {
  const folder = fileURLToPath(new URL('../../dashboard/assets/', import.meta.url))
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'))
  const size = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0)
  t.ok(scripts.length >= 2 && size <= 70_000, `${size} bytes in ${scripts.length} scripts`)
})

/** Jobs that have succeeded, put into the database of a server that has ended. */
function insertJobs(file: string, count: number): void {
  const database = new DatabaseSync(file)
  const now = Date.now()
  database.exec(`
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
    INSERT INTO jobs (id, service, method, state, attempts, maxAttempts, priority, createdAt, startedAt, begunAt, finishedAt)
    SELECT printf('019ab400-0000-7000-8000-%012x', n), 's' || (n % 500), 'go', 'succeeded', 1, 3, 5,
      ${now} - n, ${now} - n, ${now} - n, ${now} FROM n`)
  database.close()
}

/** How long the longest tasks take while `run` runs, in ms. */
async function longTasks(page: Page, run: () => Promise<unknown>): Promise<number[]> {
  await page.evaluate(`window.tasks = []; window.watch = new PerformanceObserver((list) => {
    tasks.push(...list.getEntries().map(({ duration }) => Math.round(duration)))
  }); watch.observe({ type: 'longtask' })`)
  await run()
  return page.evaluate<number[]>('watch.disconnect(); tasks.sort((a, b) => b - a).slice(0, 5)')
}

t.test(`${SERVICES} services and ${JOBS} jobs`, { skip: noBrowser }, async (t) => {
  const empty = await serve(t, { services: { echo: 'echo' }, start: false })
  await empty.close()
  insertJobs(join(empty.folder, 'data', 'jobs.sqlite'), JOBS)
  const server = await serve(t, { services: {}, folder: empty.folder })
  const names = Array.from({ length: SERVICES }, (_, n) => `s${n}`)
  for (const name of names) t.equal((await server.put(name, { module: 'echo.js', autostart: false })).status, 201)
  const browser = await openBrowser(t)
  const url = `http://127.0.0.1:${server.port}`
  const page = await openPage(t, browser, `${url}/`)
  await page.locator('nav.pages .number').getByText('501', { exact: true }).waitFor()
  const table = page.getByRole('table', { name: 'Services' })
  const rows = table.locator('tbody tr[data-index]')

  await t.test('only the rows in sight are drawn, and each is reached', async (t) => {
    await table.waitFor()
    t.ok((await rows.count()) < 60, `${await rows.count()} rows are drawn`)
    await page.evaluate('scrollTo(0, document.body.scrollHeight)')
    await rows.filter({ hasText: 's99' }).first().waitFor()
    await page.getByLabel('Filter by name').fill('s123')
    await table.getByRole('link', { name: 's123' }).waitFor()
    t.equal(await rows.count(), 1)
    await page.getByLabel('Filter by name').fill('')
  })

  await t.test('first paint, and tasks while events come', async (t) => {
    await page.goto(`${url}/`)
    await rows.first().waitFor()
    const paint = await page.evaluate<number>('performance.getEntriesByName("first-contentful-paint")[0].startTime')
    t.comment(`first paint after ${Math.round(paint)} ms`)
    const began = performance.now()
    let events = 0
    const tasks = await longTasks(page, async () => {
      while (performance.now() - began < MEASURED_MS) {
        const service = names[events % SERVICES] as string
        server.server.events.emit({ ...EVENT, service, state: events % 2 === 0 ? 'paused' : 'stopped' })
        events += 1
        await sleep(1_000 / EVENTS_PER_S)
      }
    })
    t.comment(`${events} events in ${MEASURED_MS} ms; tasks over 50 ms: ${tasks.join(', ') || 'none'}`)
  })

  await t.test('of the jobs, only the rows in sight are drawn, and a filter finds those of one service', async (t) => {
    await page.goto(`${url}/jobs`)
    const jobs = page.getByRole('table', { name: 'Jobs' }).locator('tbody tr[data-index]')
    await jobs.first().waitFor()
    await page.evaluate('scrollTo(0, document.body.scrollHeight)')
    t.ok((await jobs.count()) < 80, `${await jobs.count()} rows are drawn`)
    await page.goto(`${url}/jobs?service=s7&state=succeeded`)
    await jobs.first().waitFor()
    t.match(await jobs.first().innerText(), /s7/)
  })
})
