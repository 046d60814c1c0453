/**
 * Makes the pictures of the documentation: `npm run screenshots`. The server of `demo-server.ts` has services as users have
 * them; each picture is taken when what it shows has arrived.
 */
import { join } from 'node:path'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { startDemo } from './demo-server.ts'

const FOLDER = join(import.meta.dirname, '../../../docs/images')

const demo = await startDemo()
const browser = await launchBrowser()

async function take(
  name: string,
  path: string,
  arrived: (page: Page) => Promise<unknown>,
  options: BrowserContextOptions = {},
): Promise<void> {
  const context = await browser.newContext({
    viewport: { width: 1200, height: 640 },
    reducedMotion: 'reduce',
    ...options,
  })
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${demo.port}${path}`)
  await page.locator('.live.live').waitFor()
  await arrived(page)
  await page.evaluate('scrollTo(0, 0)')
  await page.screenshot({ path: join(FOLDER, `${name}.png`) })
  await context.close()
}

/** Numbers of calls have come. */
const flows = (page: Page) =>
  page
    .locator('tr', { hasText: 'invoices' })
    .locator('td[data-title="Calls/s"] span:not(.dim)')
    .waitFor()
    .then(() => page.locator('tr', { hasText: 'search' }).locator('td[data-title="p95"] span:not(.dim)').waitFor())

await demo.crash()
const viewport = { width: 1200, height: 400 }
await take('services', '/', flows, { viewport })
await take('services-dark', '/', flows, { viewport, colorScheme: 'dark' })
await take('phone', '/', flows, { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true })
await take('service', '/services/invoices?tab=methods&method=render', async (page) => {
  await page.locator('.runner-input').getByLabel('invoice').fill('2026-1204')
  await page.locator('.runner-input').getByLabel('locale').selectOption({ label: 'de' })
  await page.getByRole('button', { name: /^Call/ }).click()
  await page.locator('.runner-answer .badge.good').waitFor()
})
await take('job', `/jobs/${demo.failedJob}`, (page) => page.getByText('no font has these letters').first().waitFor())
await take('failures', '/failures', (page) => page.locator('tr', { hasText: 'mailbox' }).waitFor())

await browser.close()
await demo.close()
