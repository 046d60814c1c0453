/** The page in a real browser: what a person does with it, on a real server. */
import t from 'tap'
import type { Page } from 'playwright-core'
import { openGate, serve } from '../http-helper.ts'
import { noBrowser, openBrowser, openPage, seriousFindings } from './browser.ts'

if (noBrowser) {
  t.pass(noBrowser, { skip: noBrowser })
  process.exit()
}

const server = await serve(t, { services: { gate: 'gate', fails: 'fails', spins: 'spins', rich: 'rich' } })
const browser = await openBrowser(t)
const urlOf = (path: string) => `http://127.0.0.1:${server.port}${path}`

/** Casts, and waits until the job has finished. */
async function finish(service: string, method: string, payload: unknown): Promise<string> {
  const { json } = await server.cast(service, method, payload)
  await server.finished(json.id)
  return json.id
}

/** Goes to another page as a link does, without a load, and waits until it is drawn. */
const goTo = (page: Page, path: string) =>
  page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)})
    dispatchEvent(new PopStateEvent('popstate'))
    new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))`)

const toast = (page: Page, text: string) => page.locator('.toast', { hasText: text })

t.test(
  'each page, tab and dialog: axe finds nothing serious in either theme, and a phone shows all of it',
  async (t) => {
    const job = await finish('fails', 'throws', { text: 'שלום עולם', list: [1, 2, 3] })
    await finish('gate', 'nap', {})
    const [later] = await Promise.all(
      ['delayMs=3600000', 'delayMs=3600001'].map((query) => server.cast('gate', 'nap', {}, `?${query}`)),
    )
    await server.post(`/v1/jobs/${later?.json.id}/cancel`)
    const page = await openPage(t, browser, urlOf('/'), {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    })
    const tabs = ['', 'methods', 'logs', 'threads', 'schedules', 'options'].map((tab) => `/services/fails?tab=${tab}`)
    const pages = ['/', '/jobs', '/failures', '/schedules', '/activity', '/activity?tab=audit', '/system']
    for (const path of [...pages, ...tabs, '/services/rich?tab=methods&method=union', `/jobs/${job}`]) {
      await page.setViewportSize({ width: 390, height: 844 })
      await goTo(page, path)
      await page.locator('main :is(h1, h2)').first().waitFor()
      await page.locator('main:not(:has(.loading))').waitFor()
      const width = await page.evaluate<number>('document.documentElement.scrollWidth')
      t.ok(width <= 390, `${path} is ${width} pixels wide on a phone`)
      await page.setViewportSize({ width: 1280, height: 800 })
      t.same(await seriousFindings(page), [], path)
    }
    await page.getByRole('button', { name: 'Edit and cast again' }).click()
    await page.getByRole('dialog').waitFor()
    t.same(await seriousFindings(page), [], 'a form in a dialog')
    await page.getByRole('dialog').press('Escape')
    await page.getByRole('button', { name: 'Find service, job, action' }).click()
    await page.getByRole('option').first().waitFor()
    t.same(await seriousFindings(page), [], 'the palette')
  },
)

t.test('a first call: a form from the schema, errors at their fields, the answer beside it', async (t) => {
  const page = await openPage(t, browser, urlOf('/'), { expected: /status of 422|status of 400/ })
  await page.getByRole('link', { name: 'fails', exact: true }).click()
  await page.getByRole('link', { name: /^methods/i }).click()
  await page.getByRole('link', { name: /^flaky/ }).click()
  await page.getByLabel('token').fill('first')
  await page.getByLabel('failures').fill('none')
  await page.getByRole('button', { name: /^Call/ }).click()
  await page.locator('.form-field.wrong', { hasText: 'failures' }).waitFor()
  await page.getByLabel('failures').fill('0')
  await page.getByLabel('failures').press('Enter')
  const answer = page.locator('.runner-answer')
  await answer.getByText('200').waitFor()
  t.equal(await answer.locator('.json').first().innerText(), '1')
})

t.test('a cast: the job is followed with its progress until it has ended', async (t) => {
  const page = await openPage(t, browser, urlOf('/services/gate?tab=methods&method=progress'))
  await page.getByLabel('token').fill('followed')
  await page.getByLabel('token').press('Shift+Enter')
  const line = page.locator('.job-line')
  await line.getByText('50 %').waitFor()
  await line.getByText('half').waitFor()
  openGate('followed')
  await line.getByText('succeeded').waitFor()
})

t.test('a job that waits for its delay is run now', async (t) => {
  const { json } = await server.cast('gate', 'nap', {}, '?delayMs=3600000')
  const page = await openPage(t, browser, urlOf(`/jobs/${json.id}`))
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByRole('heading', { name: /succeeded/ }).waitFor()
  t.equal(await page.getByRole('button', { name: 'Run now' }).count(), 0)
})

t.test('a schedule is made with a form, and its errors are told', async (t) => {
  const page = await openPage(t, browser, urlOf('/services/fails?tab=schedules'), { expected: /status of 422/ })
  await page.getByRole('button', { name: 'New schedule' }).click()
  const dialog = page.getByRole('dialog', { name: 'New schedule of fails' })
  const create = dialog.getByRole('button', { name: 'Create' })
  await dialog.getByLabel('Method').selectOption('flaky')
  t.equal(await create.getAttribute('title'), 'Give it a name')
  await dialog.getByLabel('Name').fill('nightly')
  await dialog.getByLabel('Cron expression').fill('0 99 * * *')
  await dialog.getByLabel('token').fill('scheduled')
  await dialog.getByLabel('failures').fill('0')
  t.same(await seriousFindings(page), [])
  await create.click()
  await dialog.getByRole('alert').getByText('VALIDATION_FAILED').waitFor()
  await dialog.getByLabel('Cron expression').fill('0 4 1 1 *')
  await dialog.getByLabel('Time zone').fill('Europe/Berlin')
  await create.click()
  await page.getByRole('row', { name: /nightly/ }).waitFor()
  const { json } = await server.get('/v1/services/fails/schedules/nightly')
  const payload = { token: 'scheduled', failures: 0 }
  t.match(json, { cron: '0 4 1 1 *', timezone: 'Europe/Berlin', method: 'flaky', payload })
})

t.test('a thread that hangs is seen, its stack is read, and the service is restarted after a question', async (t) => {
  const { json } = await server.cast('spins', 'spin', {})
  await server.logs.line('spins')
  const page = await openPage(t, browser, urlOf('/services/spins?tab=threads'))
  await page.getByRole('button', { name: 'Look' }).click()
  await page.locator('.stack').getByText('spin', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Restart' }).click()
  const question = page.getByRole('dialog', { name: 'Restart spins?' })
  await question.getByText('1 method runs').waitFor()
  await question.getByRole('button', { name: 'Restart spins' }).click()
  await toast(page, 'spins runs again').waitFor()
  await server.reaches('spins', 'running')
  await server.post(`/v1/jobs/${json.id}/cancel`)
})

t.test('a failure is found, its payload is edited, and it is cast again', async (t) => {
  await finish('fails', 'flaky', { token: 'edited', failures: 9 })
  const page = await openPage(t, browser, urlOf('/failures'))
  const group = page.locator('tr', { hasText: 'failure 3' })
  await group.getByText('failure 3').click()
  await page.getByRole('button', { name: 'Do not filter by errorKey' }).waitFor()
  await page.getByText('1 job, no more.').waitFor()
  await page.locator('a.mono').click()
  await page.getByRole('heading', { name: 'Why it failed' }).waitFor()
  t.equal(await page.locator('.timeline li').count(), 5, 'accepted, three attempts, failed')
  await page.getByRole('button', { name: 'Edit and cast again' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('failures').fill('0')
  await dialog.getByRole('button', { name: /^Cast/ }).click()
  await dialog.locator('.job-line').getByText('succeeded').waitFor()
})

t.test('all jobs that match are retried, and their number is told before', async (t) => {
  const casts = Array.from({ length: 344 }, () => server.cast('fails', 'throwsText'))
  const ids = (await Promise.all(casts)).map(({ json }) => json.id)
  const allFinish = () => Promise.all(ids.map((id) => server.finished(id)))
  await allFinish()
  const page = await openPage(t, browser, urlOf('/jobs?state=failed&service=fails&method=throwsText&since=1h'))
  await page.getByRole('button', { name: 'Retry all that match' }).click()
  const question = page.getByRole('dialog', { name: 'Retry 344 jobs?' })
  await question.getByRole('button', { name: 'Retry 344 jobs' }).click()
  await toast(page, 'Retry: 344 jobs').waitFor()
  // A stream leaves out what is more than 500 events a second: the next test waits for one.
  await allFinish()
})

t.test('new jobs wait behind a button, so that no row moves under the pointer', async (t) => {
  const page = await openPage(t, browser, urlOf('/jobs?service=rich'))
  await page.getByText('No job matches').waitFor()
  await page.locator('.live.live').waitFor()
  await finish('rich', 'fails', 5)
  await page.getByRole('button', { name: '↑ 1 new' }).click()
  await page.getByRole('row', { name: /rich/ }).getByText('failed').waitFor()
})

t.test('all of it by keys alone', async (t) => {
  const page = await openPage(t, browser, urlOf('/'))
  const { keyboard } = page
  const arrives = (path: string) => page.waitForURL(urlOf(path))
  const services = page.getByRole('table', { name: 'Services' })
  await services.waitFor()
  await keyboard.press('g')
  await keyboard.press('j')
  await arrives('/jobs')
  await keyboard.press('g')
  await keyboard.press('s')
  await arrives('/')
  // The address changes before the page is drawn.
  await services.waitFor()
  await keyboard.press('/')
  await keyboard.type('gat')
  await arrives('/?q=gat')
  await keyboard.press('Escape')
  await keyboard.press('j')
  await page.locator('tr.cursor', { hasText: 'gate' }).waitFor()
  await keyboard.press('Enter')
  await arrives('/services/gate')
  await keyboard.press('?')
  const list = page.getByRole('dialog', { name: 'Keys' })
  await list.getByText('Restart gate').waitFor()
  await keyboard.press('Escape')
  await list.waitFor({ state: 'hidden' })
  await keyboard.press('ControlOrMeta+k')
  await page.getByRole('combobox', { name: 'Search' }).waitFor()
  await keyboard.type('fails: threads')
  await page.getByRole('option', { name: 'fails: Threads' }).waitFor()
  await keyboard.press('Enter')
  await arrives('/services/fails?tab=threads')
  await page.getByRole('button', { name: 'Restart' }).waitFor()
  await keyboard.press('r')
  await page.getByRole('dialog', { name: 'Restart fails?' }).waitFor()
  await keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
})

t.test('on a phone, the checkbox of a job is at the edge of its card', async (t) => {
  await finish('gate', 'nap', {})
  const page = await openPage(t, browser, urlOf('/jobs'), { viewport: { width: 390, height: 844 } })
  const row = page.locator('tbody tr[data-index]').first()
  const card = await row.boundingBox()
  const box = await row.locator('td.choice input').boundingBox()
  const gap = (card?.x ?? 0) + (card?.width ?? 0) - (box?.x ?? 0) - (box?.width ?? 0)
  t.ok(gap > 4 && gap < 24, `${gap} pixels`)
})

t.test('the theme is that of the system until somebody chooses, and the choice stays', async (t) => {
  const page = await openPage(t, browser, urlOf('/'), { colorScheme: 'dark' })
  const ground = () => page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor')
  await page.getByRole('button', { name: 'Use the light theme' }).waitFor()
  const dark = await ground()
  await page.getByRole('button', { name: 'Use the light theme' }).click()
  const light = await ground()
  t.not(light, dark)
  await page.reload()
  await page.getByRole('button', { name: 'Use the dark theme' }).waitFor()
  t.equal(await ground(), light)
})
