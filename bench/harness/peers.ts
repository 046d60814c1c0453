/** The peers that threadplane is compared with. They are in a package of their own, and no dependencies of this one. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the repository, seen from `dist/bench/harness`. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** The folder of the bench's sources. */
export const BENCH = `${ROOT}bench/`
export const PEERS = `${BENCH}peers/`

const peersFolder = (await import(`${PEERS}import.js`)) as { importPeer: (name: string) => Promise<unknown> }

/** Without types on purpose: the compiler must not need the peers. */
export const importPeer = peersFolder.importPeer

export function peerVersion(name: string): string | undefined {
  try {
    const text = readFileSync(`${PEERS}node_modules/${name}/package.json`, 'utf8')
    return (JSON.parse(text) as { version: string }).version
  } catch {
    return undefined
  }
}

/** Installs the peers, unless they are there in the pinned versions. If that fails, missing peers are skipped later. */
export function installPeers(): void {
  const { dependencies } = JSON.parse(readFileSync(`${PEERS}package.json`, 'utf8')) as {
    dependencies: Record<string, string>
  }
  if (Object.entries(dependencies).every(([name, version]) => peerVersion(name) === version)) return
  console.log('installing the peers into bench/peers/node_modules: some 440 MB, once')
  const options = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']
  const { status, error } = spawnSync('npm', ['install', ...options], {
    cwd: PEERS,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0)
    console.log(`npm install failed (${error?.message ?? `code ${status}`}): peers that are missing are skipped`)
}

export function redisVersion(): string {
  const output = spawnSync('redis-server', ['-v'], { encoding: 'utf8' }).stdout ?? ''
  return /v=(\S+)/.exec(output)?.[1] ?? 'missing'
}

/** Why a peer has to be skipped; `undefined` if all that it needs is there. */
export function missing(peers: readonly string[], programs: readonly string[] = []): string | undefined {
  const absent = peers.filter((name) => peerVersion(name) === undefined)
  if (absent.length > 0) return `${absent.join(', ')} is not installed in bench/peers`
  const lacking = programs.filter((name) => spawnSync(name, ['-v']).error !== undefined)
  return lacking.length > 0 ? `${lacking.join(', ')} is missing (apt-get install ${lacking.join(' ')})` : undefined
}
