/** What several nodes forget together, over a real database. */
import t, { type Test } from 'tap'
import { openPgStore, schemaOf } from '../job-store/stores.ts'
import { accept, eventually, failed } from '../sqlite/jobs.ts'
import { noPostgres } from './postgres.ts'
import { changeTimings } from './timings.ts'

const options = { skip: noPostgres }

type Store = Awaited<ReturnType<typeof openPgStore>>

const numberOf = async (store: Store) => (await store.list({ limit: 100 })).items.length

/** Until the clock shows another time: jobs that finished at the same time are forgotten together. */
const nextMs = (at: string | null | undefined) => eventually(() => Date.now() > Date.parse(at as string))

async function openThree(t: Test, maxFinishedJobs: number): Promise<[Store, Store, Store]> {
  const first = await openPgStore(t, { maxFinishedJobs })
  const open = () => openPgStore(t, { maxFinishedJobs }, schemaOf(first))
  return [first, await open(), await open()]
}

t.test('the greatest number of finished jobs holds for all nodes together', options, async (t) => {
  changeTimings(t, { upkeepEveryMs: 600_000 })
  const stores = await openThree(t, 10)
  for (const store of stores) await store.retain()

  await t.test('while each of them finishes fewer', async (t) => {
    for (let count = 0; count < 8; count += 1)
      for (const store of stores) await nextMs((await failed(store)).finishedAt)
    t.equal(await numberOf(stores[0]), 24)
    for (const store of stores) await store.retain()
    t.equal(await numberOf(stores[0]), 10)
  })

  await t.test('and for jobs that end without an attempt', async (t) => {
    for (let count = 0; count < 8; count += 1) {
      const { id } = await accept(stores[0])
      await nextMs((await stores[0].cancel(id))?.finishedAt)
    }
    t.equal(await numberOf(stores[0]), 18)
    await stores[2].retain()
    t.equal(await numberOf(stores[0]), 10)
  })
})

t.test(
  'each of two nodes searches every second time on average, and one that is alone each time',
  options,
  async (t) => {
    changeTimings(t, { upkeepEveryMs: 5, beatEveryMs: 20 })
    const { random } = Math
    t.teardown(() => {
      Math.random = random
    })
    let drawn = 0
    const draw = (number: number) => {
      Math.random = () => {
        drawn += 1
        return number
      }
    }
    const times = async (count: number) => {
      const until = drawn + count
      await eventually(() => drawn >= until)
    }
    const forgotten = (store: Store, id: string) => eventually(async () => (await store.get(id)) === undefined)

    draw(0.9)
    const first = await openPgStore(t, { keepJobsMs: 0 })
    const { id } = await failed(first)
    await forgotten(first, id)

    const other = await openPgStore(t, { keepJobsMs: 0 }, schemaOf(first))
    await eventually(() => first.membership.peers.length === 1 && other.membership.peers.length === 1)
    await times(20)
    const { id: kept } = await failed(first)
    await times(20)
    t.match(await first.get(kept), { state: 'failed' })
    draw(0.4)
    await forgotten(first, kept)

    draw(0.9)
    await times(20)
    const { id: last } = await failed(first)
    await other.close()
    await forgotten(first, last)
  },
)
