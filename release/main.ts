/**
 * `npm run release -- <version> [--dry-run]`: makes the commit and the tag of a version, in the repository of the working
 * directory. It publishes nothing: it prints the commands that do. If a step fails, no file is changed.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { withVersion } from './changelog.ts'

const USAGE = 'usage: npm run release -- <version> [--dry-run], with a version such as 0.2.0'
/** Long, for a slow machine: the checks take some twenty minutes. It only ends a step that hangs. */
const DEADLINE_MS = 3_600_000

try {
  release()
} catch (error) {
  console.error(`release: ${(error as Error).message}`)
  process.exitCode = 1
}

function release(): void {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { 'dry-run': { type: 'boolean' } } })
  const [version = '', ...more] = positionals
  if (!/^\d+\.\d+\.\d+$/.test(version) || more.length > 0) throw new Error(USAGE)
  checkRepository(version)
  const date = new Date().toISOString().slice(0, 10)
  const changelog = withVersion(readFileSync('CHANGELOG.md', 'utf8'), version, date)

  // In this order: the OpenAPI document has the version of package.json.
  const edits: [text: string, run: () => void][] = [
    ['set the version in package.json and package-lock.json', () => setVersion(version)],
    ['move what is unreleased in CHANGELOG.md', () => writeFileSync('CHANGELOG.md', changelog)],
    ['write the OpenAPI document again', () => run('npm', ['run', '--silent', 'openapi'])],
    ['copy it as the released one', () => copyFileSync('openapi/openapi.json', 'openapi/released.json')],
    ['commit', () => run('git', ['commit', '--quiet', '--all', '--message', `Release ${version}`])],
  ]
  if (values['dry-run']) {
    for (const text of ['run all checks (.ci/run)', ...edits.map(([text]) => text), `tag v${version}`])
      console.log(text)
  } else {
    run('.ci/run', [])
    checkTree()
    try {
      for (const [, edit] of edits) edit()
    } catch (error) {
      run('git', ['restore', '--staged', '--worktree', '.'])
      throw error
    }
    run('git', ['tag', '--annotate', `v${version}`, '--message', `Release ${version}`])
  }
  console.log(`\nTo publish ${version}:
  git push origin main v${version}
  npm publish
  deploy/build-image.sh threadplane:${version}    and push the image to your registry`)
}

/** @throws Error unless this version can be released from here, now */
function checkRepository(version: string): void {
  const branch = output('git', ['branch', '--show-current'])
  if (branch !== 'main') throw new Error(`a release is made on the branch main, and this is ${branch || 'no branch'}`)
  checkTree()
  const { version: present } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  // The same number is in order: the first version was never released before.
  if (isOlder(version, present)) throw new Error(`${version} is older than the present version, ${present}`)
  if (output('git', ['tag', '--list', `v${version}`]) !== '') throw new Error(`the tag v${version} exists already`)
}

/** @throws Error if a file is not committed */
function checkTree(): void {
  const changed = output('git', ['status', '--porcelain'])
  if (changed !== '') throw new Error(`these files are not committed:\n${changed}`)
}

function setVersion(version: string): void {
  run('npm', ['version', version, '--no-git-tag-version', '--allow-same-version', '--ignore-scripts', '--silent'])
}

function isOlder(version: string, than: string): boolean {
  const [mine, other] = [version, than].map((text) => text.split('.').map(Number))
  const at = mine?.findIndex((number, index) => number !== other?.[index]) ?? -1
  return at !== -1 && (mine?.[at] ?? 0) < (other?.[at] ?? 0)
}

function output(command: string, args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', timeout: DEADLINE_MS }).trimEnd()
}

function run(command: string, args: string[]): void {
  execFileSync(command, args, { stdio: 'inherit', timeout: DEADLINE_MS })
}
