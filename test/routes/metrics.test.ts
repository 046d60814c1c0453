/** `GET /metrics` of a real server: what happens to calls, jobs, threads and services is seen there. */
import t from 'tap'
import { becomes, openGate, serve, type TestServer } from '../http-helper.ts'
import { Scrape } from '../metrics-text.ts'

async function scrape(server: TestServer): Promise<Scrape> {
  return new Scrape((await server.get('/metrics')).text)
}

/** Waits until a series has this value. */
async function shows(server: TestServer, series: string, value: number): Promise<void> {
  await becomes(`${series} to be ${value}`, async () => (await scrape(server)).get(series) === value)
}

const of = (name: string, labels: string) => `threadplane_${name}{${labels}}`

t.test('the text is that of Prometheus, or of OpenMetrics if the client prefers it', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  for (const [accept, type] of [
    [undefined, 'text/plain; version=0.0.4; charset=utf-8'],
    ['*/*', 'text/plain; version=0.0.4; charset=utf-8'],
    ['application/json', 'text/plain; version=0.0.4; charset=utf-8'],
    ['text/plain', 'text/plain; version=0.0.4; charset=utf-8'],
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    ],
  ]) {
    const answer = await server.get('/metrics', { headers: accept === undefined ? {} : { accept } })
    t.equal(answer.status, 200)
    t.equal(answer.headers['content-type'], type, `${accept}`)
    t.equal(answer.text.endsWith('\n# EOF\n'), type?.startsWith('application/'))
    t.doesNotThrow(() => new Scrape(answer.text))
  }
})

t.test('calls are counted by outcome, with their wait and their run', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', fails: 'fails' } })
  const calls = (service: string, method: string, outcome: string) =>
    of('calls_total', `service="${service}",method="${method}",outcome="${outcome}"`)
  t.equal((await scrape(server)).get(calls('echo', 'any', 'succeeded')), 0, 'a series exists before the first call')
  await server.call('echo', 'any', 1)
  await server.call('echo', 'any', 2)
  await server.call('echo', 'scalar', 'no number')
  await server.call('echo', 'wrongResult', null)
  await server.call('fails', 'throws', null)
  await server.call('echo', 'nope', null)
  const metrics = await scrape(server)
  t.equal(metrics.get(calls('echo', 'any', 'succeeded')), 2)
  t.equal(metrics.get(calls('echo', 'scalar', 'rejected')), 1)
  t.equal(metrics.get(calls('echo', 'wrongResult', 'failed')), 1)
  t.equal(metrics.get(calls('fails', 'throws', 'failed')), 1)
  t.strictSame(metrics.find('nope'), [])
  t.equal(metrics.get(of('method_run_seconds_count', 'service="echo",method="any"')), 2)
  t.equal(metrics.get(of('method_run_seconds_count', 'service="echo",method="scalar"')), 0)
  t.equal(metrics.get(of('queue_wait_seconds_count', 'service="echo",kind="call"')), 3)
  const route = 'route="/v1/services/:service/call/:method"'
  t.equal(metrics.get(of('http_requests_total', `${route},method="POST",status="200"`)), 2)
  t.equal(metrics.get(of('http_requests_total', `${route},method="POST",status="404"`)), 1)
  t.equal(metrics.get(of('http_request_duration_seconds_count', route)), 6)
  await server.get('/no-such-route/1')
  t.equal((await scrape(server)).get(of('http_requests_total', 'route="none",method="GET",status="404"')), 1)
})

t.test('jobs are counted, in all states and ends, and so are the transactions of the journal', async (t) => {
  const server = await serve(t, { services: { echo: 'echo', fails: 'fails' } })
  const { json: good } = await server.cast('echo', 'any', 1)
  const { json: bad } = await server.cast('fails', 'throws', null)
  await server.finished(good.id)
  await server.finished(bad.id)
  const { json: later } = await server.cast('echo', 'any', 1, '?delayMs=1000000')
  await server.post(`/v1/jobs/${later.id}/cancel`)
  await server.post(`/v1/jobs/${later.id}/cancel`)
  await server.cast('echo', 'any', 1, '?delayMs=1000000&ttlMs=1')
  const finished = (method: string, state: string) => of('jobs_finished_total', `${method},state="${state}"`)
  const any = 'service="echo",method="any"'
  const throws = 'service="fails",method="throws"'
  await shows(server, finished(any, 'expired'), 1)
  const metrics = await scrape(server)
  t.equal(metrics.get(of('jobs_accepted_total', any)), 3)
  t.equal(metrics.get(finished(any, 'succeeded')), 1)
  t.equal(metrics.get(finished(any, 'cancelled')), 1, 'cancelled twice, counted once')
  t.equal(metrics.get(finished(throws, 'failed')), 1)
  t.equal(metrics.get(of('job_attempts_total', `${throws},outcome="failed"`)), 3)
  t.equal(metrics.get(of('queue_wait_seconds_count', 'service="fails",kind="cast"')), 3)
  t.equal(metrics.get(of('job_age_seconds_count', 'service="echo"')), 3)
  t.match(metrics.get(of('jobs', 'service="echo",state="succeeded"')), Number)
  t.equal(metrics.get('threadplane_journal_writable'), 1)
  await becomes('the journal to report its transactions', async () => {
    const now = await scrape(server)
    const jobs = now.get('threadplane_journal_batch_jobs_sum') ?? 0
    return jobs === 8 && (now.get('threadplane_journal_commit_seconds_count') ?? 0) > 0
  })
  t.ok(((await scrape(server)).get('threadplane_journal_file_bytes') ?? 0) > 0)
})

t.test('a waiting method, a pause and a crash are seen', async (t) => {
  const server = await serve(t, { services: { gate: 'gate', dies: 'dies' } })
  await server.request('PATCH', '/v1/services/gate', { json: { numWorkers: 1 } })
  const waiting = [server.call('gate', 'hold', { token: 'a' }), server.call('gate', 'hold', { token: 'a' })]
  await shows(server, of('queue_size', 'service="gate"'), 1)
  const busy = await scrape(server)
  t.equal(busy.get(of('queue_running', 'service="gate"')), 1)
  t.ok((busy.get(of('queue_oldest_age_seconds', 'service="gate"')) ?? 0) > 0)
  openGate('a')
  await Promise.all(waiting)
  await shows(server, of('queue_oldest_age_seconds', 'service="gate"'), 0)
  await server.post('/v1/services/gate/pause')
  await shows(server, of('service_state', 'service="gate",state="paused"'), 1)
  t.equal((await scrape(server)).get(of('service_state', 'service="gate",state="running"')), 0)

  await server.call('dies', 'exit', null)
  await server.restarted('dies', 1)
  const after = await scrape(server)
  t.equal(after.get(of('service_crashes_total', 'service="dies",cause="exit"')), 1)
  t.equal(after.get(of('service_restarts_total', 'service="dies"')), 1)
  t.equal(after.get(of('calls_total', 'service="dies",method="exit",outcome="thread_died"')), 1)
  t.equal(after.get(of('threads', 'service="dies",state="running"')), 1)
  t.match(after.get(of('thread_heartbeat_age_seconds', 'service="dies",thread="0"')), Number)
})

t.test('a service and its schedules are shown until the service is deleted', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  await server.request('PUT', '/v1/services/echo/schedules/often', { json: { cron: '* * * * *', method: 'nothing' } })
  const runs = of('schedule_runs_total', 'service="echo",name="often"')
  t.equal((await scrape(server)).get(runs), 0)
  t.ok((await scrape(server)).find('service="echo"').length > 50)
  await server.delete('/v1/services/echo?cancelJobs=true')
  t.strictSame((await scrape(server)).find('"echo"'), [])
})

t.test('methods that a new version does not have are forgotten after they were shown once more', async (t) => {
  const server = await serve(t, { services: { service: 'echo', other: 'fails' } })
  await server.call('service', 'any', 1)
  await server.put('service', { module: 'other.js' })
  const any = of('calls_total', 'service="service",method="any",outcome="succeeded"')
  t.equal((await scrape(server)).get(any), 1)
  t.equal((await scrape(server)).get(any), undefined)
  t.equal((await scrape(server)).find('calls_total', 'service="service",method="throws"').length, 7)
})
