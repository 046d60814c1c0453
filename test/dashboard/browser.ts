/**
 * A real browser for the tests of the page: Debian's Chromium, by playwright-core. Where none is installed, `noBrowser`
 * says so, and tests are skipped. Each page is watched: an error on its console, a violation of the content security
 * policy, or a request to another host fails the test that opened it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const paths = (process.env.PATH ?? '').split(':').flatMap((folder) => NAMES.map((name) => join(folder, name)))
const executable = paths.find((path) => existsSync(path))

/** For the option `skip` of a test: why it cannot run here, or false. */
export const noBrowser = executable === undefined ? 'Chromium is not installed: apt-get install chromium' : false

/** Long, for a busy machine: it only ends a test that hangs. */
const DEADLINE_MS = 30_000

export function launchBrowser(): Promise<Browser> {
  // Root has no sandbox. In a container, /dev/shm is often too small.
  const args = ['--no-sandbox', '--disable-dev-shm-usage']
  return chromium.launch({ executablePath: executable as string, args })
}

/** One browser for a file of tests. */
export async function openBrowser(t: Test): Promise<Browser> {
  const browser = await launchBrowser()
  t.teardown(() => browser.close())
  return browser
}

export interface PageOptions extends BrowserContextOptions {
  /** Lines of the console that the test makes happen, such as the refusals of a killed server. */
  expected?: RegExp
}

/** Opens a page of the server in a new session of the browser. */
export async function openPage(t: Test, browser: Browser, url: string, options: PageOptions = {}): Promise<Page> {
  const { expected, ...given } = options
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
    ...given,
  })
  context.setDefaultTimeout(DEADLINE_MS)
  const troubles: string[] = []
  let { host } = new URL(url)
  context.on('weberror', (error) => troubles.push(`error: ${error.error().stack}`))
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(`${message.type()}: ${message.text()}`)
  })
  context.on('request', (request) => {
    const to = new URL(request.url())
    host ||= to.host
    if (/^(https?|wss?):$/.test(to.protocol) && to.host !== host) troubles.push(`request: ${to.href}`)
  })
  t.teardown(async () => {
    await context.close()
    const unexpected = troubles.filter((line) => !expected?.test(line))
    if (unexpected.length > 0) throw new Error(`troubles of the page: ${unexpected.join('\n')}`)
  })
  const page = await context.newPage()
  await page.goto(url)
  return page
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResults {
  violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[]
}

/** Between the themes, only colours differ. */
const RULES = { light: {}, dark: { runOnly: ['color-contrast'] } }

/** What axe finds that is serious or critical, in both themes. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const found: string[] = []
  // A script tag is against the policy of the page.
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(axeSource)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    const options = JSON.stringify({ resultTypes: ['violations'], preload: false, ...RULES[colorScheme] })
    const { violations } = (await page.evaluate(`axe.run(${options})`)) as AxeResults
    for (const { id, impact, nodes } of violations) {
      if (impact !== 'serious' && impact !== 'critical') continue
      for (const { target, failureSummary } of nodes)
        found.push(`${colorScheme} ${id} ${target.join(' ')}: ${failureSummary}`)
    }
  }
  return found
}
