/**
 * The files in deploy/: the alerts fire when they should, as `promtool` says, and each metric that the alerts and the
 * dashboard name is in `/metrics`, with the labels that they name.
 */
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { serve, type TestServer } from '../http-helper.ts'

const RULES = 'deploy/prometheus/rules.yml'
const DASHBOARD = 'deploy/grafana/threadplane.json'
/** Labels that Prometheus itself adds. */
const ADDED = new Set(['instance', 'job'])

interface Rules {
  groups: { rules: { alert: string; expr: string }[] }[]
}

interface Dashboard {
  panels: { title: string; targets?: { expr: string }[] }[]
  templating: { list: { query: string }[] }
}

const { groups } = parse(await readFile(RULES, 'utf8')) as Rules
const rules = groups.flatMap(({ rules }) => rules)
const dashboard = JSON.parse(await readFile(DASHBOARD, 'utf8')) as Dashboard
const expressions = [
  ...rules.map(({ expr }) => expr),
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.map(({ query }) => query),
]

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined
const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' })

t.test('promtool accepts the files, and the alerts fire when they should', async (t) => {
  if (!hasPromtool) return t.comment('promtool is not installed: apt-get install prometheus')
  for (const args of [
    ['check', 'config', 'deploy/prometheus/prometheus.yml'],
    ['test', 'rules', 'deploy/prometheus/tests.yml'],
  ]) {
    const { status, stdout, stderr } = promtool(...args)
    t.equal(status, 0, `${args.join(' ')}\n${stdout}${stderr}`)
  }
})

t.test('each alert has a test and a place in docs/operate.md', async (t) => {
  const tests = await readFile('deploy/prometheus/tests.yml', 'utf8')
  const document = await readFile('docs/operate.md', 'utf8')
  t.equal(rules.length, 17)
  for (const { alert } of rules) {
    t.ok(tests.includes(`alertname: ${alert}\n`), alert)
    t.ok(document.includes(`| \`${alert}\` |`), alert)
  }
})

t.test('each metric that they name is in /metrics, with its labels', async (t) => {
  const server = await serve(t, { services: { echo: 'echo' } })
  const series = await seriesOf(server)
  const named = expressions.flatMap(selectors)
  t.ok(named.length > 50)
  for (const { name, labels } of named) {
    const found = series.get(name)
    t.ok(found, name)
    for (const label of labels) t.ok(ADDED.has(label) || found?.has(label), `${name} has the label ${label}`)
  }
})

t.test('promtool accepts what the server answers', async (t) => {
  if (!hasPromtool) return t.comment('promtool is not installed: apt-get install prometheus')
  const server = await serve(t, { services: { echo: 'echo' } })
  const { text } = await server.get('/metrics')
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { encoding: 'utf8', input: text })
  // Prometheus calls the names of prom-client's default metrics bad style.
  t.strictSame(
    `${stdout}${stderr}`.split('\n').filter((line) => line.includes('threadplane')),
    [],
  )
})

/** Metric → its labels. The first scrape is a request too, which the second one shows. */
async function seriesOf(server: TestServer): Promise<Map<string, Set<string>>> {
  await server.get('/metrics')
  const { text } = await server.get('/metrics')
  const series = new Map<string, Set<string>>([['up', new Set()]])
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const known = series.get(name) ?? new Set()
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label)
    series.set(name, known)
  }
  return series
}

/** The metrics that an expression selects, with the labels that it compares. */
function selectors(expression: string): { name: string; labels: string[] }[] {
  const matches = expression.matchAll(/\b((?:threadplane|nodejs|process)_\w+|up)\b(?:\{([^}]*)\})?/g)
  return Array.from(matches, ([, name = '', labels = '']) => ({
    name,
    labels: Array.from(labels.matchAll(/(\w+)\s*[=!]/g), ([, label = '']) => label),
  }))
}
