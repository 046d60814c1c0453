/** What code of a module sets with `AsyncLocalStorage.enterWith` stays where it was set. */
import t from 'tap'
import type fixture from '../fixtures/local-storage.ts'
import { startedThread } from '../helper.ts'

const { thread } = await startedThread<typeof fixture>(t, 'local-storage')

t.test('no method, hook, task or timer sees what another has set', async (t) => {
  for (const place of ['a', 'b', 'c']) t.equal(await thread.callThread('enter', place), `schema ${place}`)
  const places = ['d', 'e', 'f', 'g', 'h']
  t.same(await Promise.all(places.map((place) => thread.callThread('later', place))), places)
  t.same(await thread.callThread('seen', null), [])
})
