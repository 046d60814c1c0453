/** What the settings say of a server as a node of a cluster. */
import { hostname } from 'node:os'
import t from 'tap'
import { readConfig } from '../../src/config.ts'
import { identityOf, readNodeTls } from '../../src/server/node-settings.ts'

t.test('the URL of a node is where others reach it, as far as the settings say', async (t) => {
  const urlOf = (environment: Record<string, string>) => identityOf(readConfig(environment)).url
  t.equal(urlOf({}), 'http://127.0.0.1:8081')
  t.equal(urlOf({ THREADPLANE_HOST: '0.0.0.0', THREADPLANE_NODE_PORT: '9000' }), `http://${hostname()}:9000`)
  t.equal(urlOf({ THREADPLANE_HOST: '::' }), `http://${hostname()}:8081`)
  t.equal(urlOf({ THREADPLANE_HOST: 'fd00::1' }), 'http://[fd00::1]:8081')
  t.equal(urlOf({ THREADPLANE_NODE_CERT: '/a/cert.pem' }), 'https://127.0.0.1:8081')
  t.equal(urlOf({ THREADPLANE_NODE_URL: 'https://a.example:1' }), 'https://a.example:1')
})

t.test('each start has an id and a token of its own, and the name stays', async (t) => {
  const config = readConfig({ THREADPLANE_NODE_NAME: 'a' })
  const [one, two] = [identityOf(config), identityOf(config)]
  t.equal(one.name, 'a')
  t.equal(two.name, 'a')
  t.not(one.id, two.id)
  t.not(one.token, two.token)
  t.equal(Buffer.from(one.token, 'base64url').byteLength, 24)
  t.equal(identityOf(readConfig({})).name, hostname())
})

t.test('a certificate needs its key, and files that can be read', async (t) => {
  const read = (environment: Record<string, string>) => readNodeTls(readConfig(environment))
  t.equal(await read({}), undefined)
  await t.rejects(read({ THREADPLANE_NODE_CERT: '/absent/cert.pem' }), { message: /belong together/ })
  await t.rejects(read({ THREADPLANE_NODE_KEY: '/absent/key.pem' }), { message: /belong together/ })
  const both = { THREADPLANE_NODE_CERT: '/absent/cert.pem', THREADPLANE_NODE_KEY: '/absent/key.pem' }
  await t.rejects(read(both), { message: /^THREADPLANE_NODE_CERT is \/absent\/cert\.pem, which cannot be read/ })
})
