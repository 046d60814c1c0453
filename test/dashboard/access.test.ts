/** The page with tokens: signing in and out, and what a token that may only read is offered. */
import t from 'tap'
import { TokensRig } from '../auth/tokens-rig.ts'
import { serve } from '../http-helper.ts'
import { noBrowser, openBrowser, openPage, seriousFindings } from './browser.ts'

t.test('a token that may only read', { skip: noBrowser }, async (t) => {
  const rig = new TokensRig(t)
  const token = await rig.add('reader', ['read'])
  const server = await serve(t, { services: { rich: 'rich' }, tokens: await rig.open() })
  const browser = await openBrowser(t)
  const page = await openPage(t, browser, `http://127.0.0.1:${server.port}/services/rich`, {
    expected: /status of 40[13]/,
  })
  const field = page.getByLabel('Token')
  const signIn = page.getByRole('button', { name: 'Sign in' })

  await t.test('signs in, and a wrong token is told so', async (t) => {
    await field.fill('tp_wrong')
    await signIn.click()
    await page.locator('.problem').waitFor()
    t.same(await seriousFindings(page), [])
    await field.fill(token)
    await signIn.click()
    await page.getByRole('heading', { name: 'rich' }).waitFor()
  })

  await t.test('sees buttons that are disabled, with the scope that they need', async (t) => {
    for (const [name, scope] of [
      ['Pause', 'operate:rich'],
      ['Restart', 'operate:rich'],
      ['Stop', 'operate:rich'],
    ] as const) {
      const button = page.getByRole('button', { name, exact: true })
      t.equal(await button.getAttribute('aria-disabled'), 'true', name)
      t.equal(await button.getAttribute('title'), `Needs the scope ${scope}`)
      await button.click({ force: true })
    }
    t.equal(server.service('rich').state, 'running')
    t.equal(await page.getByRole('dialog').count(), 0, 'nothing is asked')
    await page.keyboard.press('r')
    await page.locator('.toast', { hasText: 'Restart: Needs the scope operate:rich' }).waitFor()
    t.equal(await page.getByRole('dialog').count(), 0, 'nor by a key')
    await page.getByRole('link', { name: /^methods/i }).click()
    await page.getByRole('link', { name: /^tree/ }).click()
    const call = page.getByRole('button', { name: /^Call/ })
    t.equal(await call.getAttribute('title'), 'Needs the scope enqueue:rich')
  })

  await t.test('signs out, and the session is gone', async () => {
    await page.getByRole('button', { name: 'Who is signed in' }).click()
    await page.getByRole('menu').waitFor()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await field.waitFor()
    await page.reload()
    await field.waitFor()
  })

  await t.test('is asked again when the token is revoked', async () => {
    await field.fill(token)
    await signIn.click()
    await page.getByRole('heading', { name: 'rich' }).waitFor()
    await rig.revoke('reader')
    await field.waitFor()
  })
})
