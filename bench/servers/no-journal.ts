/** The threadplane server, answering 202 without a record in the journal: what a cast costs without durability. */
import { pino } from 'pino'
import { newJobRecord } from '../../src/jobs/job.ts'
import { buildServer } from '../../src/server/build-server.ts'
import { uuidv7 } from '../../src/contract/uuidv7.ts'

const log = pino({ level: 'silent' })
const [workers = '', data = ''] = process.argv.slice(2)
const { app, registry, dispatcher } = await buildServer({ workers, data, log })
dispatcher.cast = async (service, requests) =>
  requests.map(({ method }) => {
    const given = { id: uuidv7(), service: service.name, method, payload: '', maxAttempts: 3, priority: 5 }
    const times = { createdAt: Date.now(), notBefore: null, expiresAt: null }
    return {
      kind: 'new',
      job: newJobRecord({ ...given, ...times, traceparent: null, schedule: null }, 'queued', null),
      keyExpiresAt: undefined,
    }
  })
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
await registry.startAll()
process.once('SIGTERM', () => void registry.close().then(() => app.close()))
