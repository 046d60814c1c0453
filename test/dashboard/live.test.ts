/** The page stays live: by one stream for all tabs, in each way that a browser offers, and over the end of the server. */
import type { BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { request } from '../http-helper.ts'
import { Process, workersFolder } from '../process-helper.ts'
import { noBrowser, openBrowser, openPage } from './browser.ts'

const REFUSED = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/

/** Scripts that take a way away from the browser. */
const WAYS = {
  'a shared worker': '',
  'a lock and a channel': 'delete window.SharedWorker',
  'a stream of its own': 'delete window.SharedWorker; delete Navigator.prototype.locks',
}

t.test('live', { skip: noBrowser }, async (t) => {
  const port = await freePort()
  const environment = { THREADPLANE_PORT: String(port) }
  const folder = workersFolder({ light: 'rich' })
  const start = async () => {
    const process = new Process(t, folder, ['serve', 'workers'], environment)
    await process.prints(/services: light running/)
    return process
  }
  let server = await start()
  const browser = await openBrowser(t)
  const url = `http://127.0.0.1:${port}/`
  const act = (action: string) => request(port, 'POST', `/v1/services/light/${action}`)
  const shows = (page: Page, state: string) => page.locator('tbody .state', { hasText: state }).waitFor()

  for (const [way, script] of Object.entries(WAYS)) {
    await t.test(`two tabs follow the server by ${way}, and one goes on alone`, async (t) => {
      const first = await openPage(t, browser, 'about:blank')
      const context: BrowserContext = first.context()
      if (script !== '') await context.addInitScript(script)
      await first.goto(url)
      await first.locator('.live.live').waitFor()
      const second = await context.newPage()
      await second.goto(url)
      await second.locator('.live.live').waitFor()
      await act('pause')
      await Promise.all([shows(first, 'paused'), shows(second, 'paused')])
      await first.close()
      await act('resume')
      await shows(second, 'running')
    })
  }

  await t.test('the server is killed: the page says how old it is, and is live again with no reload', async (t) => {
    const page = await openPage(t, browser, url, { expected: REFUSED })
    await page.locator('.live.live').waitFor()
    await page.evaluate('window.isSame = true')
    const { pid } = await server.listens()
    server.child.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    await server.exit
    const strip = page.locator('.strip', { hasText: 'Not connected.' })
    await strip.getByText(/What you see is .* old, from/).waitFor()
    await page.locator('.live.offline').waitFor()
    server = await start()
    await page.locator('.live.live').waitFor()
    await strip.waitFor({ state: 'detached' })
    await act('pause')
    await shows(page, 'paused')
    t.equal(await page.evaluate('window.isSame'), true, 'it was not loaded again')
  })
})
