/** The working directory of the server is deleted: threads start again nevertheless. */
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { serviceThread } from '../helper.ts'

for (const isolation of ['thread', 'process'] as const) {
  t.test(isolation, async (t) => {
    const before = process.cwd()
    t.teardown(() => process.chdir(before))
    const { thread } = serviceThread(t, 'throws', { options: { isolation } })
    const folder = mkdtempSync(join(tmpdir(), 'deleted-'))
    process.chdir(folder)
    await thread.start()
    await thread.stop()
    rmdirSync(folder)
    await thread.start()
    t.equal(thread.state, 'running')
    t.equal(process.cwd(), tmpdir(), 'the nearest directory that is there')
  })
}
