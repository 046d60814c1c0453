/** A shutdown while clients call as fast as they can: no call that has run is left without its answer. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { request } from '../http-helper.ts'
import { run } from '../process-helper.ts'

const CLIENTS = 16
/** While the server closes; after it has closed; for a connection that the server had not accepted when it closed. */
const REFUSALS = ['SHUTTING_DOWN', 'ECONNREFUSED', 'ECONNRESET']

t.jobs = 2

for (const [what, blocks] of [
  ['all threads react', false],
  ['one thread is blocked in native code', true],
] as const) {
  t.test(
    `SIGTERM under load, while ${what}: every call that has run is answered, and the exit code is 0`,
    { buffered: true },
    async (t) => {
      const settings = blocks ? { THREADPLANE_SHUTDOWN_TIMEOUT: '3s' } : {}
      const server = run(t, ['serve', 'workers'], settings, { naps: 'naps', holds: 'holds-the-process' })
      await server.prints(/services: .*running.*running/)
      const { port } = await server.listens()
      const fifo = join(server.folder, 'fifo')
      execFileSync('mkfifo', [fifo])
      if (blocks) await server.request('POST', '/v1/services/holds/call/block', { json: { fifo } })

      let done = 0
      const refusals = new Set<string>()
      const client = async () => {
        for (;;) {
          const answer = await request(port, 'POST', '/v1/services/naps/call/nap', { json: null }).catch(
            (error: Error & { code?: string }) => error,
          )
          if (answer instanceof Error) return refusals.add(answer.code ?? answer.message)
          if (answer.status === 200) done += 1
          else refusals.add(answer.json?.code)
        }
      }
      const clients = Promise.all(Array.from({ length: CLIENTS }, client))
      const loaded = () => existsSync(join(server.folder, 'naps')) && done > 2 * CLIENTS
      while (!loaded()) await server.request('GET', '/livez')
      server.child.kill('SIGTERM')
      t.same(await server.ended(), { code: 0, signal: null })
      await clients
      t.same(
        [...refusals].filter((code) => !REFUSALS.includes(code)),
        [],
      )
      t.equal(
        readFileSync(join(server.folder, 'naps'), 'utf8').length,
        done,
        'the number of calls that ran is the number of answers',
      )
      t.notMatch(server.output, /died|given up/)
    },
  )
}
