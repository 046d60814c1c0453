/** `npm run release`, in a repository of its own: what it refuses, what it changes, and that a failure changes nothing. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const MAIN = fileURLToPath(new URL('../../release/main.js', import.meta.url))
const TODAY = /\d{4}-\d\d-\d\d/

const repository = t.testdir()
const git = (...args: string[]) => execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trimEnd()
const read = (file: string) => readFileSync(join(repository, file), 'utf8')

function write(file: string, text: string): void {
  mkdirSync(dirname(join(repository, file)), { recursive: true })
  writeFileSync(join(repository, file), text)
}

function commit(file: string, text: string): void {
  write(file, text)
  git('add', '--all')
  git('commit', '--quiet', '--message', 'A change')
}

function release(...args: string[]): { stdout: string; stderr: string; status: number | null } {
  return spawnSync(process.execPath, [MAIN, ...args], { cwd: repository, encoding: 'utf8' })
}

/** Nothing but the message is left of a release that was refused. */
function refused(t: Test, message: RegExp, ...args: string[]): void {
  const before = [git('rev-parse', 'HEAD'), git('status', '--porcelain')]
  const { status, stderr } = release(...args)
  t.equal(status, 1)
  t.match(stderr, message)
  t.strictSame([git('rev-parse', 'HEAD'), git('status', '--porcelain')], before)
  t.equal(git('tag', '--list'), '')
}

const CHANGELOG = '# Changelog\n\n## Unreleased\n\n- Something new.\n\n## 0.1.0 - 2026-01-01\n\nThe first version.\n'
const openapi = `const { version } = require('./package.json'); fs.writeFileSync('openapi/openapi.json', JSON.stringify({ version }))`
const checks = (script: string) => {
  commit('.ci/run', `#!/bin/sh\n${script}\n`)
  chmodSync(join(repository, '.ci/run'), 0o755)
  git('commit', '--quiet', '--all', '--allow-empty', '--message', 'Checks')
}

git('init', '--quiet', '--initial-branch=main')
git('config', 'user.name', 'Ada')
git('config', 'user.email', 'ada@example.com')
git('config', 'commit.gpgsign', 'false')
git('config', 'tag.gpgsign', 'false')
const project = { name: 'plane', version: '0.1.0' }
write('package.json', JSON.stringify({ ...project, scripts: { openapi: 'node openapi.js' } }))
write('package-lock.json', JSON.stringify({ ...project, lockfileVersion: 3, packages: { '': project } }))
write('openapi.js', `const fs = require('node:fs'); ${openapi}`)
write('openapi/openapi.json', '{}')
write('openapi/released.json', '{}')
write('CHANGELOG.md', CHANGELOG)
checks('exit 0')

t.test('what cannot be released is refused, with the reason', async (t) => {
  refused(t, /usage: npm run release -- <version>/)
  refused(t, /usage: npm run release -- <version>/, 'minor')
  refused(t, /0\.0\.9 is older than the present version, 0\.1\.0/, '0.0.9')
  refused(t, /CHANGELOG\.md has a heading of 0\.1\.0 already/, '0.1.0')
  write('new.txt', '')
  refused(t, /these files are not committed:\n\?\? new\.txt/, '0.2.0')
  git('clean', '--quiet', '--force')
  git('switch', '--quiet', '--create', 'other')
  refused(t, /on the branch main, and this is other/, '0.2.0')
  git('switch', '--quiet', 'main')
  commit('CHANGELOG.md', CHANGELOG.replace('- Something new.\n\n', ''))
  refused(t, /says nothing under "## Unreleased"/, '0.2.0')
  commit('CHANGELOG.md', CHANGELOG)
})

t.test('a dry run says what it would do, and changes nothing', async (t) => {
  const head = git('rev-parse', 'HEAD')
  const { stdout, status } = release('0.2.0', '--dry-run')
  t.equal(status, 0)
  t.match(stdout, /^run all checks[^]*\ntag v0\.2\.0\n[^]*\n {2}npm publish\n/)
  t.strictSame([git('rev-parse', 'HEAD'), git('status', '--porcelain'), git('tag', '--list')], [head, '', ''])
})

t.test('nothing is changed if the checks fail, or a later step', async (t) => {
  checks('exit 1')
  refused(t, /Command failed: \.ci\/run/, '0.2.0')
  checks('exit 0')
  commit('openapi.js', 'process.exit(1)')
  refused(t, /Command failed: npm run --silent openapi/, '0.2.0')
  commit('openapi.js', `const fs = require('node:fs'); ${openapi}`)
})

t.test('a release has one version everywhere, a commit and a tag', async (t) => {
  const { stdout, stderr, status } = release('0.2.0')
  t.equal(status, 0, stderr)
  t.equal(JSON.parse(read('package.json')).version, '0.2.0')
  t.match(JSON.parse(read('package-lock.json')), { version: '0.2.0', packages: { '': { version: '0.2.0' } } })
  t.equal(read('openapi/openapi.json'), '{"version":"0.2.0"}')
  t.equal(read('openapi/released.json'), '{"version":"0.2.0"}')
  const dated = CHANGELOG.replace('## Unreleased\n', '## Unreleased\n\n## 0.2.0 - TODAY\n')
  t.equal(read('CHANGELOG.md').replace(TODAY, 'TODAY'), dated)
  t.equal(git('status', '--porcelain'), '')
  t.equal(git('log', '--format=%s', '-1', 'v0.2.0'), 'Release 0.2.0')
  t.equal(git('cat-file', '-t', 'v0.2.0'), 'tag')
  t.match(stdout, 'git push origin main v0.2.0\n  npm publish\n')
})
