/**
 * Three nodes over a PostgreSQL, each in a process of its own. Where this process may, each is in a network namespace of its
 * own; elsewhere relays are before the ports that they reach each other by.
 */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../test/free-port.ts'
import { Postgres, type Teardown } from '../../test/cluster/postgres.ts'
import { eventually } from '../harness/eventually.ts'
import { launch, type Plane } from '../plane.ts'
import { type Cuttable, Networks } from './networks.ts'
import { Relay } from './relay.ts'

const NAMES = ['a', 'b', 'c'] as const
/** Nodes with this label run the service that is called; the other one sends its calls there. */
const CALLED = 'called=yes'

export interface FleetNode {
  name: string
  url: string
  runsCalls: boolean
  /** What it reaches the database through: it leads to the primary. */
  toDatabase: Relay
  /** What other nodes reach it through; `undefined`: they reach it at once. */
  fromNodes: Relay | undefined
  /** The networks between it and the database, and between it and other nodes. */
  links: { database: Cuttable; nodes: Cuttable }
  /** Put before its command line. */
  prefix: string[]
  environment: Record<string, string>
  data: string
  /** The folder of its modules; `undefined`: those of the bench. */
  workers: string | undefined
  /** `undefined` from its kill until it is ready again. */
  process: Plane | undefined
  kills: number
  /** When its process had ended after the last kill, by the monotonic clock. */
  killedAt: number
}

export interface FleetOptions {
  /**
   * How nodes reach each other and the database. `relays` (the default) can be cut. With `direct`, the port of a node that has
   * ended refuses connections: a relay would accept them. `namespaces` puts each node into a network namespace of its own.
   */
  network?: 'relays' | 'direct' | 'namespaces'
  /** Further settings of each node. */
  environment?: Record<string, string>
}

export class Fleet implements Teardown {
  readonly folder: string
  nodes: FleetNode[] = []
  postgres!: Postgres
  readonly #options: FleetOptions
  #networks: Networks | undefined
  readonly #ends: (() => unknown)[] = []

  private constructor(folder: string, options: FleetOptions) {
    this.folder = folder
    this.#options = options
  }

  static async start(options: FleetOptions = {}): Promise<Fleet> {
    const fleet = new Fleet(await mkdtemp(join(tmpdir(), 'threadplane-fleet-')), options)
    fleet.teardown(() => rm(fleet.folder, { recursive: true, force: true }))
    try {
      if (options.network === 'namespaces') fleet.#networks = new Networks(fleet)
      fleet.postgres = await Postgres.start(fleet, { fsync: true })
      for (const name of NAMES) fleet.nodes.push(await fleet.#add(name))
      await Promise.all(fleet.nodes.map((node) => fleet.launch(node)))
      await change(fleet.nodes[0] as FleetNode, 'tally', { numWorkers: 8 })
      await change(fleet.nodes[0] as FleetNode, 'adder', { placement: { labels: { called: 'yes' } } })
      await fleet.untilPlaced()
      return fleet
    } catch (error) {
      await fleet.end()
      throw error
    }
  }

  teardown(run: () => unknown): void {
    this.#ends.unshift(run)
  }

  /** Ends all processes and deletes all files. */
  async end(): Promise<void> {
    for (const run of this.#ends.splice(0)) await run()
  }

  get ready(): FleetNode[] {
    return this.nodes.filter(({ process }) => process !== undefined)
  }

  async launch(node: FleetNode): Promise<void> {
    const { fromNodes, data, environment, workers, prefix, url } = node
    const launched = launch(data, { environment, prefix, url, ...(workers !== undefined && { workers }) })
    if (fromNodes !== undefined) {
      // Until the node listens, connections are to be refused by the relay as well.
      const listens = eventually(`${node.name} to listen for nodes`, () => accepts(fromNodes.target))
      await Promise.race([listens, launched.then(() => listens)])
      await fromNodes.listen()
    }
    node.process = await launched
  }

  /** As a machine that loses its power: from then on its ports refuse connections. */
  async kill(node: FleetNode): Promise<number> {
    const { process } = node
    if (process === undefined) throw new Error(`${node.name} does not run`)
    node.process = undefined
    node.kills += 1
    // Until its connections close, calls are still sent to it.
    node.killedAt = Number.POSITIVE_INFINITY
    node.fromNodes?.refuse()
    await process.kill()
    node.killedAt = performance.now()
    return process.pid
  }

  /** As an operator does, by SIGTERM. Answers how long it took, in milliseconds. */
  async stop(node: FleetNode): Promise<number> {
    const { process } = node
    if (process === undefined) throw new Error(`${node.name} does not run`)
    const since = performance.now()
    const exitCode = await process.stop()
    if (exitCode !== 0) throw new Error(`${node.name} ended with ${exitCode}`)
    node.process = undefined
    node.fromNodes?.refuse()
    return performance.now() - since
  }

  /** Waits until the service that is called runs where it should, and all nodes know that. */
  async untilPlaced(): Promise<void> {
    for (const node of this.nodes) {
      await eventually(`adder to answer on ${node.name}`, async () => {
        const { process } = node
        if (process === undefined) return false
        const calls = Array.from({ length: 5 }, () => process.send('/v1/services/adder/call/add', '{"a":2,"b":3}'))
        const answers = await Promise.all(calls)
        return answers.every(({ ok }) => ok)
      })
    }
  }

  async #add(name: string): Promise<FleetNode> {
    const [port, nodePort] = [await freePort(), await freePort()]
    const place = this.#networks?.add()
    const toDatabase = await Relay.start(this.postgres.port, this.#networks?.databaseHost)
    const fromNodes = place === undefined ? await Relay.start(nodePort) : undefined
    fromNodes?.refuse()
    const runsCalls = name !== NAMES.at(-1)
    const data = join(this.folder, name)
    await mkdir(data)
    const { network, environment } = this.#options
    const database = network === 'direct' ? { host: '127.0.0.1', port: this.postgres.port } : toDatabase
    const nodeUrlPort = network === 'direct' ? nodePort : (fromNodes?.port ?? nodePort)
    const node: FleetNode = {
      name,
      url: `http://${place?.addresses.clients ?? '127.0.0.1'}:${port}`,
      runsCalls,
      toDatabase,
      fromNodes,
      links: { database: place?.links.database ?? toDatabase, nodes: place?.links.nodes ?? (fromNodes as Relay) },
      prefix: place?.prefix ?? [],
      data,
      workers: undefined,
      environment: {
        ...environment,
        ...(place !== undefined && { THREADPLANE_HOST: '0.0.0.0', THREADPLANE_INSECURE: 'true' }),
        THREADPLANE_PORT: String(port),
        THREADPLANE_DATABASE_URL: `postgres://threadplane@${database.host}:${database.port}/postgres`,
        THREADPLANE_NODE_NAME: name,
        THREADPLANE_NODE_PORT: String(nodePort),
        THREADPLANE_NODE_URL: `http://${place?.addresses.nodes ?? '127.0.0.1'}:${nodeUrlPort}`,
        THREADPLANE_NODE_LABELS: runsCalls ? CALLED : '',
      },
      process: undefined,
      kills: 0,
      killedAt: Number.NEGATIVE_INFINITY,
    }
    // A bench that crashes must leave no server behind.
    const atExit = () => void node.process?.kill()
    process.once('exit', atExit)
    this.teardown(async () => {
      process.off('exit', atExit)
      await node.process?.kill()
      toDatabase.close()
      fromNodes?.close()
    })
    return node
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function change({ url }: FleetNode, service: string, options: object): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const changed = { method: 'PATCH', headers, body: JSON.stringify(options) }
  const answer = await fetch(`${url}/v1/services/${service}`, changed)
  if (!answer.ok) throw new Error(`the options of ${service} cannot be changed: ${await answer.text()}`)
}
