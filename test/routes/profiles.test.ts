/** CPU profiles, allocations and heap snapshots, of threads and of services in processes. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { becomes, isProblem, serve, type TestServer } from '../http-helper.ts'

async function spinning(server: TestServer): Promise<void> {
  await server.cast('spins', 'spin', null)
  await server.logs.line('spins')
}

for (const isolation of ['thread', 'process'] as const) {
  t.test(`a CPU profile of a thread that hangs, in a ${isolation}`, async (t) => {
    const server = await serve(t, { services: { spins: 'spins' } })
    await server.request('PATCH', '/v1/services/spins', { json: { isolation, hangTimeoutMs: 100_000 } })
    await spinning(server)
    const answer = await server.post('/v1/services/spins/profile', { kind: 'cpu', seconds: 1 })
    t.equal(answer.status, 200, answer.text.slice(0, 300))
    t.match(answer.headers['content-disposition'], /^attachment; filename="spins-\d+\.cpuprofile"$/)
    const { nodes, samples } = answer.json
    const names = nodes.map(({ callFrame }: { callFrame: { functionName: string } }) => callFrame.functionName)
    // V8 charges a loop that began before the profile to its caller.
    t.ok(names.includes('spin') || names.includes('processImmediate'), names.join())
    t.ok(samples.length > 10)
    t.strictSame(readdirSync(join(server.folder, 'data', 'profiles')), [], 'no file is left')
  })

  t.test(`allocations, in a ${isolation}`, async (t) => {
    const server = await serve(t, { services: { spins: 'spins' } })
    await server.request('PATCH', '/v1/services/spins', { json: { isolation } })
    const profile = server.post('/v1/services/spins/profile', { kind: 'allocations', seconds: 2 })
    let done = false
    void profile.finally(() => {
      done = true
    })
    while (!done) await server.call('spins', 'allocate')
    const { status, headers, text, json } = await profile
    t.equal(status, 200, text.slice(0, 300))
    t.match(headers['content-disposition'], /\.heapprofile"$/)
    t.match(text, /"functionName":"allocate"/)
    t.ok(json.head)
  })

  t.test(`a heap snapshot of a thread that hangs, in a ${isolation}`, async (t) => {
    const server = await serve(t, { services: { spins: 'spins' } })
    await server.request('PATCH', '/v1/services/spins', { json: { isolation, hangTimeoutMs: 100_000 } })
    await spinning(server)
    const answer = await server.post('/v1/services/spins/heap-snapshot', {})
    t.equal(answer.status, 200, answer.text.slice(0, 300))
    t.match(answer.headers['content-disposition'], /\.heapsnapshot"$/)
    t.match(answer.json.snapshot.meta.node_fields, ['type'])
    t.equal(Number(answer.headers['content-length']), answer.bytes.length)
  })
}

t.test('one profile of a service at a time; a client that hangs up ends it', async (t) => {
  const server = await serve(t, { services: { spins: 'spins' } })
  const client = new AbortController()
  const first = server.post('/v1/services/spins/profile', { kind: 'cpu', seconds: 120 }, { signal: client.signal })
  first.catch(() => {})
  await becomes('a profile under way', async () => {
    const answer = await server.post('/v1/services/spins/profile', { kind: 'cpu', seconds: 1, thread: 999_999 })
    isProblem(t, answer, 'CONFLICT', { detail: /has no thread 999999/ })
    return readdirSync(join(server.folder, 'data')).includes('profiles')
  })
  const second = await server.post('/v1/services/spins/profile', { kind: 'allocations', seconds: 1 })
  isProblem(t, second, 'CONFLICT', { detail: /another profile of spins/ })
  client.abort()
  await becomes('the end of the first profile', async () => {
    const { status } = await server.post('/v1/services/spins/profile', { kind: 'cpu', seconds: 1 })
    return status === 200
  })
})

t.test('the end of the thread ends its profile', async (t) => {
  const server = await serve(t, { services: { spins: 'spins' } })
  const profile = server.post('/v1/services/spins/profile', { kind: 'cpu', seconds: 120 })
  await becomes('a profile under way', () => readdirSync(join(server.folder, 'data')).includes('profiles'))
  await server.post('/v1/services/spins/stop')
  const answer = await profile
  t.ok(answer.status === 502, answer.text.slice(0, 300))
})

t.test('a thread in native code is answered with 504', async (t) => {
  const server = await serve(t, { services: { spins: 'spins' } })
  const path = join(server.folder, 'pipe')
  execFileSync('mkfifo', [path])
  await server.cast('spins', 'sleepNative', { path })
  await server.logs.line('sleeps')
  await becomes(
    'native code',
    async () => (await server.get('/v1/services/spins/stack')).json.items[0]?.state === 'blocked-native',
  )
  isProblem(t, await server.post('/v1/services/spins/profile', { kind: 'cpu', seconds: 1 }), 'DEADLINE_EXCEEDED')
  isProblem(t, await server.post('/v1/services/spins/heap-snapshot', {}), 'DEADLINE_EXCEEDED')
  closeSync(openSync(path, 'w'))
})

t.test('what cannot be recorded is refused', async (t) => {
  const server = await serve(t, { services: { spins: 'spins' } })
  const path = '/v1/services/spins/profile'
  for (const body of [
    {},
    { kind: 'cpu' },
    { kind: 'cpu', seconds: 0 },
    { kind: 'cpu', seconds: 121 },
    { kind: 'heap', seconds: 1 },
  ]) {
    isProblem(t, await server.post(path, body), 'VALIDATION_FAILED')
  }
  isProblem(t, await server.post('/v1/services/none/profile', { kind: 'cpu', seconds: 1 }), 'SERVICE_NOT_FOUND')
  await server.post('/v1/services/spins/stop')
  isProblem(t, await server.post(path, { kind: 'cpu', seconds: 1 }), 'CONFLICT')
})

t.test('a heap snapshot that may need more memory than is left is refused, unless it is forced', async (t) => {
  const server = await serve(t, { services: { ballast: 'ballast' } })
  await server.call('ballast', 'keep')
  const [session] = server.server.registry.get('ballast').sessions
  await becomes('the heap to be reported', () => (session?.heapUsedBytes ?? 0) > 100 * 1024 * 1024)
  const path = '/v1/services/ballast/heap-snapshot'
  isProblem(t, await server.post(path, {}), 'CONFLICT', {
    detail: /needs about \d{3} MiB .* and \d{2,3} MiB are left/,
  })
  const { status, text } = await server.post(path, { force: true })
  t.equal(status, 200, text.slice(0, 300))
})
