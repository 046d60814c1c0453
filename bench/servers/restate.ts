/** Restate: its server in front, which calls a service of its SDK in this process. */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/contender.ts'
import { importPeer, PEERS } from '../harness/peers.ts'
import type { Numbers, Sum } from '../pools/pools.ts'

/** As many as there are cores; its default is 24. */
const PARTITIONS = '2'
const READY_WITHIN_MS = 50_000

interface Sdk {
  service: (definition: {
    name: string
    handlers: Record<string, (context: object, input: Numbers) => Promise<Sum>>
  }) => object
  serve: (options: { services: object[]; port: number }) => Promise<number>
}

await servePort(await freePort())

async function servePort(port: number): Promise<void> {
  // The SDK needs it, and never answers without it; Node 20 lacks it.
  Object.assign(Promise, {
    withResolvers: (Promise as { withResolvers?: unknown }).withResolvers ?? withResolvers,
  })
  process.env.RESTATE_LOGGING = 'ERROR'
  const { service, serve } = (await importPeer('@restatedev/restate-sdk')) as Sdk
  const adder = service({ name: 'adder', handlers: { add: async (_context, { a, b }) => ({ sum: a + b }) } })
  await serve({ services: [adder], port })

  const admin = await freePort()
  const node = await freePort()
  const environment = {
    RESTATE_BASE_DIR: process.env.FOLDER,
    RESTATE_CLUSTER_NAME: 'bench',
    RESTATE_DEFAULT_NUM_PARTITIONS: PARTITIONS,
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
    RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}/`,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${process.env.PORT}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_LOG_FILTER: 'warn',
    RESTATE_DISABLE_TELEMETRY: 'true',
    DO_NOT_TRACK: '1',
  }
  const server = spawn(binary(), ['--no-logo'], { env: { ...process.env, ...environment }, stdio: 'ignore' })
  server.once('error', (error) => {
    throw error
  })
  server.once('exit', (code) => {
    throw new Error(`restate-server ended with code ${code}`)
  })
  await register(`http://127.0.0.1:${admin}/deployments`, `http://127.0.0.1:${port}`)
}

function binary(): string {
  const require = createRequire(`${PEERS}package.json`)
  return require.resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`)
}

async function register(admin: string, uri: string): Promise<void> {
  for (const until = performance.now() + READY_WITHIN_MS; ; ) {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ uri })
    const response = await fetch(admin, { method: 'POST', headers, body }).catch((error: unknown) => String(error))
    if (typeof response !== 'string' && response.ok) return
    if (performance.now() > until) {
      throw new Error(
        `restate-server does not take the service: ${typeof response === 'string' ? response : await response.text()}`,
      )
    }
    await sleep(200)
  }
}

function withResolvers(): object {
  let resolve: unknown
  let reject: unknown
  const promise = new Promise((...both) => {
    ;[resolve, reject] = both
  })
  return { promise, resolve, reject }
}
