/** Servers in this process that share a database: each is a node with a name of its own, and listens for the others. */
import type { Test } from 'tap'
import { newIdentity, type NodeIdentity } from '../../src/cluster/cluster.ts'
import { serve, type ServeOptions, type TestServer } from '../http-helper.ts'
import { freePort } from '../free-port.ts'
import { Postgres } from './postgres.ts'

export interface MemberOptions extends Partial<ServeOptions> {
  labels?: Record<string, string>
  /** False: it hears no hints. */
  hints?: boolean
  leaseMs?: number
}

/** The servers of one test, over a schema of their own. */
export class Members {
  readonly postgres: Postgres
  readonly schema: string
  readonly #t: Test

  private constructor(t: Test, postgres: Postgres) {
    this.#t = t
    this.postgres = postgres
    this.schema = postgres.schema()
  }

  static async start(t: Test): Promise<Members> {
    return new Members(t, await Postgres.start(t))
  }

  async join(name: string, options: MemberOptions = {}): Promise<TestServer & { identity: NodeIdentity }> {
    const { labels = {}, hints = true, leaseMs, services = { echo: 'echo' }, ...more } = options
    const port = await freePort()
    const identity = newIdentity({ name, url: `http://127.0.0.1:${port}`, labels })
    const database = {
      url: this.postgres.url,
      schema: this.schema,
      connections: 3,
      allowUnsafe: true,
      hints,
      node: identity,
      ...(leaseMs !== undefined && { leaseMs }),
    }
    const server = await serve(this.#t, { ...more, services, database, start: false })
    await server.server.nodeApp?.listen({ host: '127.0.0.1', port })
    await server.server.registry.startAll()
    return Object.assign(server, { identity })
  }

  /** The names of the nodes that have a row. */
  async names(): Promise<string[]> {
    const rows = await this.postgres.query<{ name: string }>(`SELECT name FROM ${this.schema}.nodes ORDER BY name`)
    return rows.map(({ name }) => name)
  }
}
