/**
 * Every way in which a method goes wrong (P4). Its call and its cast settle once, with the right code. So do the other
 * calls and casts of the service, whether they had begun or not. The service works again, and another service is not
 * affected.
 */
import t, { type Test } from 'tap'
import type { ErrorCode } from '../../src/contract/errors.ts'
import { shorten } from '../helper.ts'
import { type Answer, isProblem, openGate, serve } from '../http-helper.ts'

/** What happens to the thread, and so to the other methods that it had begun. */
type Fate = 'lives' | 'dies' | 'is retired'

interface Fault {
  method: string
  fate: Fate
  /** The error of the call. Without a code, the call succeeds. */
  code?: ErrorCode
  detail?: RegExp
}

const FAULTS: Fault[] = [
  // First, because its thread stays in native code for a while.
  { method: 'sleeps', fate: 'is retired', code: 'DEADLINE_EXCEEDED' },
  { method: 'throws', fate: 'lives', code: 'METHOD_FAILED', detail: /TypeError: no such luck/ },
  { method: 'throwsNull', fate: 'lives', code: 'METHOD_FAILED', detail: /null was thrown/ },
  { method: 'rejects', fate: 'dies', code: 'THREAD_DIED', detail: /rejected by nobody/ },
  { method: 'exits', fate: 'dies', code: 'THREAD_DIED', detail: /exited with code 3/ },
  { method: 'loops', fate: 'is retired', code: 'DEADLINE_EXCEEDED' },
  { method: 'waits', fate: 'is retired', code: 'DEADLINE_EXCEEDED' },
  { method: 'backtracks', fate: 'is retired', code: 'DEADLINE_EXCEEDED' },
  { method: 'returnsFunction', fate: 'lives', code: 'RESULT_NOT_SERIALIZABLE', detail: /function/ },
  { method: 'returnsProxy', fate: 'lives' },
  {
    method: 'returnsHostileProxy',
    fate: 'lives',
    code: 'RESULT_NOT_SERIALIZABLE',
    detail: /no trap lets anything through/,
  },
  { method: 'returnsGetter', fate: 'lives', code: 'RESULT_NOT_SERIALIZABLE' },
  { method: 'returnsCycle', fate: 'lives', code: 'RESULT_NOT_SERIALIZABLE', detail: /circular/ },
  { method: 'returnsDeep', fate: 'lives', code: 'RESULT_NOT_SERIALIZABLE', detail: /too deeply/ },
  { method: 'returnsHuge', fate: 'lives', code: 'RESULT_NOT_SERIALIZABLE', detail: /maxResultBytes/ },
  { method: 'floodsMessages', fate: 'dies', code: 'THREAD_DIED', detail: /flood of messages/ },
  { method: 'floodsStdout', fate: 'dies', code: 'THREAD_DIED', detail: /flood of log lines/ },
  { method: 'floodsLog', fate: 'dies', code: 'THREAD_DIED', detail: /flood of log lines/ },
]

t.setTimeout(120_000)
// A thread in native code does not end soon: do not wait for it as long as the product does.
shorten(t, { terminateTimeoutMs: 300, endBeforeStartMs: 50 })
const server = await serve(t, {
  services: { faults: 'faults', other: 'echo', loops: 'crash-loops' },
  start: false,
})
await Promise.all(['faults', 'other'].map((name) => server.post(`/v1/services/${name}/start`)))

for (const fault of FAULTS) {
  const { method, fate, code } = fault
  t.test(
    `${method}: its call ${code ? `fails with ${code}` : 'succeeds'}, the thread ${fate}, and the other methods settle`,
    async (t) => {
      const hold = fate === 'is retired' ? 'holdBriefly' : 'hold'
      const begun = server.call('faults', hold, { token: `${method} call` })
      const begunCast = await server.cast('faults', hold, { token: `${method} cast` }, '?maxAttempts=1000')
      await server.logs.line('begun', { token: `${method} call` })
      await server.logs.line('begun', { token: `${method} cast` })
      const faulty = server.call('faults', method)
      // The service runs three methods at once: these two wait.
      const waiting = server.call('faults', 'echo', 'not begun')
      const waitingCast = server.cast('faults', 'echo', 'not begun')

      settles(t, fault, await faulty)
      t.match(await server.call('other', 'any', method), { status: 200, json: method }, 'another service')
      // Again and again: after the death of its thread the cast begins anew, in another one.
      const opening = setInterval(() => {
        openGate(`${method} call`)
        openGate(`${method} cast`)
      }, 20)
      t.teardown(() => clearInterval(opening))
      if (fate === 'lives') t.match(await begun, { status: 200, json: `${method} call` }, 'a call that had begun')
      else isProblem(t, await begun, fate === 'dies' ? 'THREAD_DIED' : 'DEADLINE_EXCEEDED', { started: true })
      t.match(await server.finished(begunCast.json.id), { state: 'succeeded' }, 'a cast that had begun')
      t.match(await waiting, { status: 200, json: 'not begun' }, 'a call that had not begun')
      t.match(await server.finished((await waitingCast).json.id), { state: 'succeeded', attempts: 1 })
    },
  )

  t.test(`${method}: its cast has exactly one outcome`, async (t) => {
    const cast = await server.cast('faults', method, {}, '?maxAttempts=2')
    const { state, attempts, history, error } = await server.finished(cast.json.id)
    if (code === undefined) t.match({ state, attempts }, { state: 'succeeded', attempts: 1 })
    else t.match({ state, error }, { state: 'failed', error: { code } })
    t.equal(attempts, code === undefined || code === 'RESULT_NOT_SERIALIZABLE' ? 1 : 2)
    t.equal(history.length, attempts)
    await server.reaches('faults', 'running')
    t.match(await server.call('faults', 'echo', 'back'), { status: 200, json: 'back' })
  })
}

t.test('afterwards nothing runs and nothing waits, and each job is finished', async (t) => {
  const { queue } = await server.status('faults')
  t.match(queue, { size: 0, running: 0 })
  const { json } = await server.get('/v1/jobs?service=faults&limit=1000')
  const unfinished = json.items.filter(({ finishedAt }: { finishedAt: string | null }) => finishedAt === null)
  t.same(unfinished, [])
  t.equal(json.items.length, 3 * FAULTS.length)
  t.match(await server.get('/readyz'), { status: 200 })
})

t.test(
  'a service that crashes again and again has failed after its restart budget; another service goes on',
  async (t) => {
    await server.post('/v1/services/loops/start')
    await server.reaches('loops', 'failed')
    const { restartCount, restartBudget, crashReason } = await server.status('loops')
    t.match({ restartCount, remaining: restartBudget.remaining }, { restartCount: 3, remaining: 0 })
    t.match(crashReason.message, /exited with code 3/)
    isProblem(t, await server.call('loops', 'never'), 'SERVICE_NOT_RUNNING')
    const cast = await server.cast('loops', 'never')
    t.match(cast, { status: 202, json: { state: 'queued' } }, 'a cast waits for a start by a client')
    t.match((await server.post(`/v1/jobs/${cast.json.id}/cancel`)).json, { state: 'cancelled' })
    t.match(await server.call('other', 'any', 1), { status: 200 })
  },
)

function settles(t: Test, { code, detail }: Fault, answer: Answer): void {
  if (code === undefined) return void t.equal(answer.status, 200, answer.text)
  isProblem(t, answer, code, { started: true, service: 'faults', ...(detail && { detail }) })
}
