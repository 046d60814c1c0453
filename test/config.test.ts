/** Settings: the values that they accept, and the message about a wrong one. */
import t from 'tap'
import { isLoopback, readConfig, SETTINGS } from '../src/config.ts'

t.test('without any setting the configuration has the defaults', async (t) => {
  t.same(readConfig({ PATH: '/bin' }), {
    host: '127.0.0.1',
    port: 8080,
    insecure: false,
    tokens: '.threadplane/tokens.json',
    adminToken: '',
    adminTokenFile: '',
    allowedHosts: [],
    origins: [],
    workers: '',
    data: '.threadplane',
    databaseUrl: '',
    databaseSchema: 'threadplane',
    databaseConnections: 6,
    unsafeDatabase: false,
    logLevel: 'info',
    maxBodyBytes: 10 * 1024 * 1024,
    maxConnections: 10_000,
    maxServices: 1_000,
    maxBodiesBytes: 256 * 1024 * 1024,
    maxStreams: 100,
    shutdownTimeoutMs: 9_000,
    closeDelayMs: 0,
    supervise: true,
    chaos: true,
    keepJobsMs: 86_400_000,
    showStacks: false,
    requestLog: false,
    traces: false,
    nodeName: '',
    nodePort: 8_081,
    nodeLabels: {},
    leaseMs: 5_000,
    nodeUrl: '',
    nodeCert: '',
    nodeKey: '',
  })
})

t.test('each setting accepts its default', async (t) => {
  for (const [name, { default: fallback }] of Object.entries(SETTINGS)) {
    t.doesNotThrow(() => readConfig({ [name]: fallback }), name)
  }
})

t.test('settings of clients are none of a server, and do no harm', async (t) => {
  const ofClients = { THREADPLANE_URL: 'http://a.example', THREADPLANE_TOKEN: 'tp_x', THREADPLANE_CONTEXT: 'prod' }
  t.same(readConfig(ofClients), readConfig({}))
})

t.test('durations, sizes, ports and flags are parsed', async (t) => {
  const config = (name: string, value: string) => readConfig({ [name]: value })
  for (const [value, ms] of [
    ['500ms', 500],
    ['9s', 9_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
  ] as const) {
    t.equal(config('THREADPLANE_SHUTDOWN_TIMEOUT', value).shutdownTimeoutMs, ms)
  }
  for (const [value, bytes] of [
    ['512B', 512],
    ['1KiB', 1_024],
    ['1KB', 1_000],
    ['1.5MiB', 1.5 * 1024 * 1024],
  ] as const) {
    t.equal(config('THREADPLANE_MAX_BODY', value).maxBodyBytes, bytes)
  }
  t.equal(config('THREADPLANE_KEEP_JOBS', '7d').keepJobsMs, 7 * 86_400_000)
  t.equal(config('THREADPLANE_PORT', '0').port, 0)
  t.equal(config('THREADPLANE_PORT', '65535').port, 65_535)
  t.equal(config('THREADPLANE_SHOW_STACKS', 'true').showStacks, true)
  t.equal(config('THREADPLANE_LOG_LEVEL', 'silent').logLevel, 'silent')
  t.same(config('THREADPLANE_ALLOWED_HOSTS', 'A.example, b:8080,[::2]:1,*').allowedHosts, [
    'a.example',
    'b:8080',
    '[::2]:1',
    '*',
  ])
})

t.test('the message about a wrong value has its name, the value, and what it must be', async (t) => {
  for (const [name, value, expected] of [
    ['THREADPLANE_ALLOWED_HOSTS', 'http://a.example', /names with or without a port, separated by commas/],
    ['THREADPLANE_ALLOWED_HOSTS', 'a.example,', /names with or without a port, separated by commas/],
    ['THREADPLANE_ORIGINS', 'a.example', /origins as browsers send them, separated by commas/],
    ['THREADPLANE_ORIGINS', 'https://a.example/', /origins as browsers send them, separated by commas/],
    ['THREADPLANE_DATABASE_SCHEMA', 'Plane', /a name of small letters/],
    ['THREADPLANE_DATABASE_CONNECTIONS', '1', /a whole number from 2 to 100/],
    ['THREADPLANE_UNSAFE_DATABASE', 'yes', /true or false/],
    ['THREADPLANE_PORT', 'http', /a port from 0 to 65535/],
    ['THREADPLANE_PORT', '', /a port from 0 to 65535/],
    ['THREADPLANE_PORT', ' ', /a port from 0 to 65535/],
    ['THREADPLANE_PORT', '65536', /a port from 0 to 65535/],
    ['THREADPLANE_PORT', '-1', /a port from 0 to 65535/],
    ['THREADPLANE_PORT', '80.5', /a port from 0 to 65535/],
    ['THREADPLANE_PORT', '0x50', /a port from 0 to 65535/],
    ['THREADPLANE_NODE_PORT', '0', /a port from 1 to 65535/],
    ['THREADPLANE_NODE_NAME', 'a b', /letters, digits/],
    ['THREADPLANE_NODE_LABELS', 'ssd', /keys and values of letters/],
    ['THREADPLANE_NODE_LABELS', 'a=b,=c', /keys and values of letters/],
    ['THREADPLANE_LEASE', '1s', /a duration from 2s to 10m/],
    ['THREADPLANE_NODE_URL', 'a.example:8081', /http:\/\/ or https:\/\/, a name or an address, and a port/],
    ['THREADPLANE_NODE_URL', 'https://a.example/path', /http:\/\/ or https:\/\/, a name or an address, and a port/],
    ['THREADPLANE_HOST', '', /an address/],
    ['THREADPLANE_DATA', '', /a folder/],
    ['THREADPLANE_SHUTDOWN_TIMEOUT', '9', /a duration from 1ms to 24h, such as/],
    ['THREADPLANE_SHUTDOWN_TIMEOUT', '0s', /a duration from 1ms to 24h/],
    ['THREADPLANE_SHUTDOWN_TIMEOUT', '30d', /a duration from 1ms to 24h/],
    ['THREADPLANE_SHUTDOWN_TIMEOUT', '-1s', /a duration/],
    ['THREADPLANE_CLOSE_DELAY', '11m', /a duration from 0s to 10m/],
    ['THREADPLANE_KEEP_JOBS', '366d', /a duration from 1ms to 365d/],
    ['THREADPLANE_MAX_BODY', '10', /a size from 1B to 256MiB, such as/],
    ['THREADPLANE_MAX_BODY', '0B', /a size from 1B to 256MiB/],
    ['THREADPLANE_MAX_BODY', '1TiB', /a size/],
    ['THREADPLANE_MAX_BODY', '1GiB', /a size from 1B to 256MiB/],
    ['THREADPLANE_INSECURE', 'yes', /true or false/],
    ['THREADPLANE_SUPERVISE', '0', /true or false/],
    ['THREADPLANE_SHOW_STACKS', 'TRUE', /true or false/],
    ['THREADPLANE_LOG_LEVEL', 'loud', /one of trace, debug, info, warn, error, fatal, silent/],
  ] as const) {
    const message = new RegExp(`^${name} is ${JSON.stringify(value)}: it must be ${expected.source}`)
    t.throws(() => readConfig({ [name]: value }), { message }, `${name}=${value}`)
  }
})

t.test('one message names all wrong settings', async (t) => {
  const environment = { THREADPLANE_PORT: 'a', THREADPLANE_INSECURE: 'b', THREADPLANE_PROT: '1' }
  t.throws(() => readConfig(environment), {
    message: /PORT is "a".*\n.*INSECURE is "b".*\n.*THREADPLANE_PROT is not a setting/,
  })
})

t.test('a setting that does not exist is refused; the message lists the settings', async (t) => {
  t.throws(() => readConfig({ THREADPLANE_PROT: '1' }), {
    message: /THREADPLANE_PROT is not a setting; the settings are: .*THREADPLANE_PORT/,
  })
})

t.test('the file of tokens is in the data folder, unless a setting names another one', async (t) => {
  t.equal(readConfig({ THREADPLANE_DATA: '/data' }).tokens, '/data/tokens.json')
  t.equal(readConfig({ THREADPLANE_DATA: '/data', THREADPLANE_TOKENS: '/etc/tokens.json' }).tokens, '/etc/tokens.json')
})

t.test('a wrong administrator token is not shown in the message', async (t) => {
  for (const token of ['secret', 'secret with some blanks in it', 'secret'.repeat(40)]) {
    const message = /^THREADPLANE_ADMIN_TOKEN is not valid: it must be 20 to 200 printable ASCII characters[^"]*$/
    t.throws(() => readConfig({ THREADPLANE_ADMIN_TOKEN: token }), { message })
  }
})

t.test('a wrong address of a database is not shown in the message, as it may have a password', async (t) => {
  const message = /^THREADPLANE_DATABASE_URL is not valid: it must be a URL that begins with postgres[^"]*$/
  t.throws(() => readConfig({ THREADPLANE_DATABASE_URL: 'mysql://user:secret@a.example' }), { message })
  const url = 'postgres://user:secret@a.example/plane'
  t.equal(readConfig({ THREADPLANE_DATABASE_URL: url }).databaseUrl, url)
})

t.test('loopback addresses are told from those that other machines may reach (P7)', async (t) => {
  for (const host of ['localhost', 'LocalHost', '127.0.0.1', '127.8.8.8', '::1']) t.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.com', '127.0.0.1.nip.io'])
    t.notOk(isLoopback(host), host)
})
