/** What threadplane is measured against has a package of its own, and is no dependency of this one. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The folder of the sources, seen from `dist/bench`. */
export const BENCH = fileURLToPath(new URL('../../bench/', import.meta.url))

const PEERS = `${BENCH}peers/`
const require = createRequire(`${PEERS}package.json`)

/** Type-less on purpose: the compiler must not need the peers. */
export function requirePeer(name: string): unknown {
  return require(name)
}

export function peerVersion(name: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(`${PEERS}node_modules/${name}/package.json`, 'utf8')) as { version: string })
      .version
  } catch {
    return undefined
  }
}

/** Installs the peers that are not there. A failure is told, and they are skipped. */
export function installPeers(names: string[]): void {
  if (names.every((name) => peerVersion(name) !== undefined)) return
  console.error(`installing ${names.join(', ')} into bench/peers/node_modules`)
  try {
    const options = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']
    execFileSync('npm', ['install', ...options], { cwd: PEERS, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    console.error(`npm install failed: ${(error as Error).message}`)
  }
}
