/**
 * Each node in a network namespace of its own, with three links: to the clients, to the database, and to the other nodes. A
 * link that is cut stays up, and no packet passes, as behind a switch that has failed: what is under way is sent again by
 * TCP, and new connections find nobody. It needs root and `ip` (iproute2), and makes nothing that outlives the bench.
 */
import { execFileSync } from 'node:child_process'
import type { Teardown } from '../../test/cluster/postgres.ts'

const NETWORKS = ['clients', 'database', 'nodes'] as const
/** The 512 networks with 24 bits that are set aside for benchmarks, 198.18.0.0/15 (RFC 2544): each process has its own three. */
const FIRST_NETWORK = (process.pid % 170) * NETWORKS.length
type NetworkName = (typeof NETWORKS)[number]
/** In each network, the address of the machine itself; those of the nodes follow. */
const MACHINE = 1
/** For one command. */
const WITHIN_MS = 10_000

/** What can be cut, and be whole again. */
export interface Cuttable {
  cut(): void
  heal(): void
}

export interface Place {
  /** Put before a command line, which then runs in the namespace. */
  readonly prefix: string[]
  readonly addresses: Readonly<Record<NetworkName, string>>
  readonly links: Readonly<Record<NetworkName, Cuttable>>
}

export class Networks {
  /** Distinguishes what two benches make at the same time; names of links have at most 15 characters. */
  readonly #tag = `tp${process.pid}`
  /** Each takes back what was made, the last one first. */
  readonly #removals: (() => void)[] = []
  #places = 0

  /** @throws Error if this process may not make networks */
  constructor(teardown: Teardown) {
    // A bench that crashes must leave no networks behind.
    const removeAll = () => {
      for (const remove of this.#removals.splice(0)) remove()
    }
    process.once('exit', removeAll)
    teardown.teardown(() => {
      process.off('exit', removeAll)
      removeAll()
    })
    for (const name of NETWORKS) {
      const bridge = this.#bridge(name)
      ip('link', 'add', bridge, 'type', 'bridge')
      this.#removals.unshift(() => ip('link', 'delete', bridge))
      ip('address', 'add', `${address(name, MACHINE)}/24`, 'dev', bridge)
      ip('link', 'set', bridge, 'up')
    }
  }

  /** Where nodes find the database. */
  get databaseHost(): string {
    return address('database', MACHINE)
  }

  add(): Place {
    this.#places += 1
    const number = MACHINE + this.#places
    const namespace = `${this.#tag}-${number}`
    ip('netns', 'add', namespace)
    this.#removals.unshift(() => ip('netns', 'delete', namespace))
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
    const each = NETWORKS.map((name) => {
      const link = `${this.#tag}${name[0]}${number}`
      ip('link', 'add', link, 'type', 'veth', 'peer', 'name', name, 'netns', namespace)
      // The end of the namespace would delete it too, but as late as its last connection ends.
      this.#removals.unshift(() => ip('link', 'delete', link))
      ip('link', 'set', link, 'master', this.#bridge(name), 'up')
      ip('-n', namespace, 'address', 'add', `${address(name, number)}/24`, 'dev', name)
      ip('-n', namespace, 'link', 'set', name, 'up')
      const cut = () => ip('link', 'set', link, 'nomaster')
      const heal = () => ip('link', 'set', link, 'master', this.#bridge(name))
      return [name, address(name, number), { cut, heal }] as const
    })
    return {
      prefix: ['ip', 'netns', 'exec', namespace],
      addresses: Object.fromEntries(each.map(([name, at]) => [name, at])) as Place['addresses'],
      links: Object.fromEntries(each.map(([name, , link]) => [name, link])) as Place['links'],
    }
  }

  #bridge(name: NetworkName): string {
    return `${this.#tag}${name[0]}`
  }
}

/** May this process make networks? It may as root where `ip` is, unless a container or the kernel forbids it. */
export function mayMakeNetworks(): boolean {
  const removals: (() => unknown)[] = []
  try {
    new Networks({ teardown: (remove) => removals.push(remove) }).add()
    return true
  } catch {
    return false
  } finally {
    for (const remove of removals) remove()
  }
}

function address(name: NetworkName, number: number): string {
  const network = FIRST_NETWORK + NETWORKS.indexOf(name)
  return `198.${18 + (network >> 8)}.${network & 255}.${number}`
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: WITHIN_MS })
}
