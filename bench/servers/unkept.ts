/** The same server answering 202 without a journal: what a cast costs before its record is kept. */
import { pino } from 'pino'
import type { Job } from '../../src/jobs/job.ts'
import { buildServer } from '../../src/server.ts'
import { uuidv7 } from '../../src/uuidv7.ts'

const log = pino({ level: 'silent' })
const [workers = '', data = ''] = process.argv.slice(2)
const { app, registry, dispatcher } = await buildServer({ workers, data, log })
dispatcher.cast = async (service, requests) =>
  requests.map(({ method, payload }) => {
    const job: Job = {
      id: uuidv7(),
      service: service.name,
      method,
      payload,
      state: 'queued',
      attempts: 0,
      history: [],
      maxAttempts: 3,
      priority: 5,
      progress: null,
      createdAt: new Date().toISOString(),
      startedAt: null,
      finishedAt: null,
      notBefore: null,
      expiresAt: null,
      result: null,
      error: null,
      traceparent: null,
    }
    return { kind: 'new', job }
  })
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
await registry.startAll()
process.once('SIGTERM', () => void registry.close().then(() => app.close()))
