/**
 * Nodes that speak TLS. They trust the authorities that Node trusts. Node reads NODE_EXTRA_CA_CERTS when a process starts,
 * so this test runs itself again in a process that trusts the certificate.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { isProblem } from '../http-helper.ts'
import { servePair } from './nodes.ts'

/** The folder of the certificate that this process trusts. */
const [, , trusted] = process.argv
const folder = trusted ?? mkdtempSync(join(tmpdir(), 'threadplane-tls-'))
const cert = join(folder, 'cert.pem')
const key = join(folder, 'key.pem')

if (trusted === undefined) {
  t.teardown(() => rmSync(folder, { recursive: true }))
  const subject = ['-subj', '/CN=threadplane-test', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
}

const nodeTls = { cert: readFileSync(cert), key: readFileSync(key) }
const { first, second } = await servePair(t, { echo: 'echo', streams: 'streams' }, { nodeTls })

if (trusted === undefined) {
  t.test('a node whose certificate is not trusted gets no call', async (t) => {
    isProblem(t, await first.call('echo', 'any', {}), 'SERVICE_NOT_RUNNING', { started: false })
  })

  t.test('a node whose certificate is trusted gets calls over TLS', async (t) => {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert }
    const args = [fileURLToPath(import.meta.url), folder]
    const output = execFileSync(process.execPath, args, { env, encoding: 'utf8' })
    t.match(output, /^ok 1 - a call goes over TLS/m)
    t.match(output, /^ok 2 - the connection is watched/m)
    t.notMatch(output, /not ok/)
  })
} else {
  t.test('a call goes over TLS', async (t) => {
    t.strictSame((await first.call('echo', 'any', { a: 1 })).json, { a: 1 })
    t.match((await first.call('streams', 'count', { to: 2 })).text, '{"n":1}\n{"n":2}\n')
  })

  t.test('the connection is watched, and closed when the node closes', async (t) => {
    t.equal(second.server.nodeApp?.clients.count, 1)
    await second.close()
    t.equal(second.server.nodeApp?.clients.count, 0)
  })
}
