/** `deploy/kubernetes.yaml`, `deploy/threadplane.service`, and what Compose runs beside a server agree with the server. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig, SETTINGS } from '../../src/config.ts'

const seconds = (text: string | undefined) => Number(/(\d+)s$/.exec(text ?? '')?.[1])

t.test('one server on Kubernetes', async (t) => {
  const documents = parseAllDocuments(await readFile('deploy/kubernetes.yaml', 'utf8'))
  t.strictSame(
    documents.flatMap(({ errors }) => errors),
    [],
  )
  const [set, service] = documents.map((document) => document.toJS())
  const { template, replicas, volumeClaimTemplates } = set.spec
  const [container] = template.spec.containers
  t.equal(replicas, 1, 'the journal belongs to one process')
  t.strictSame(service.spec.selector, template.metadata.labels)
  t.equal(service.spec.ports[0].targetPort, container.ports[0].name)

  const env = container.env as { name: string; value?: string }[]
  for (const { name } of env) t.ok(Object.hasOwn(SETTINGS, name), name)
  const shutdown = env.find(({ name }) => name === 'THREADPLANE_SHUTDOWN_TIMEOUT')?.value
  t.ok(template.spec.terminationGracePeriodSeconds > seconds(shutdown), 'longer than the shutdown of the server')

  const { startupProbe, livenessProbe, readinessProbe } = container
  const document = JSON.parse(await readFile('openapi/openapi.json', 'utf8')) as { paths: object }
  for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
    t.ok(Object.hasOwn(document.paths, httpGet.path), httpGet.path)
  }
  t.match(container.securityContext, { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false })
  const claim = volumeClaimTemplates[0].metadata.name
  const mounts = container.volumeMounts as { name: string; mountPath: string }[]
  t.equal(mounts.find(({ name }) => name === claim)?.mountPath, '/data', 'where the image keeps its data')
})

t.test('the unit of systemd', async (t) => {
  const unit = await readFile('deploy/threadplane.service', 'utf8')
  const values = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)
  const settings = values('Environment').flatMap((line) => line.split(' '))
  for (const name of settings.map((one) => one.split('=')[0] as string).filter((one) => one !== 'NODE_ENV')) {
    t.ok(Object.hasOwn(SETTINGS, name), name)
  }
  const shutdown = settings.find((one) => one.startsWith('THREADPLANE_SHUTDOWN_TIMEOUT='))
  t.ok(seconds(values('TimeoutStopSec')[0]) > seconds(shutdown), 'longer than the shutdown of the server')
  const data = settings.find((one) => one.startsWith('THREADPLANE_DATA='))
  t.equal(data, `THREADPLANE_DATA=/var/lib/${values('StateDirectory')[0]}`)

  const verified = spawnSync('systemd-analyze', ['verify', 'deploy/threadplane.service'], { encoding: 'utf8' })
  if (verified.error !== undefined) return t.comment('systemd-analyze is not installed: apt-get install systemd')
  // It warns of the file with code 0 too, and of other units of the machine.
  t.notMatch(verified.stderr, /threadplane\.service/)
  t.equal(verified.status, 0, verified.stderr)
})

t.test('Prometheus and Grafana beside a server, by Docker Compose', async (t) => {
  const yaml = async (path: string) => parse(await readFile(path, 'utf8'))
  const { services, volumes } = await yaml('docker-compose.yml')
  const names = Object.keys(services).filter((name) => services[name].profiles?.includes('metrics'))
  t.strictSame(names, ['metrics-token', 'prometheus', 'grafana'])
  for (const name of names) {
    for (const mount of services[name].volumes as string[]) {
      const [source = ''] = mount.split(':')
      t.ok(source.startsWith('./') ? existsSync(source) : source in volumes, `${name}: ${source}`)
    }
    const needed = services[name].depends_on
    for (const one of Array.isArray(needed) ? needed : Object.keys(needed)) t.ok(one in services, `${name}: ${one}`)
  }
  const { scrape_configs, rule_files } = await yaml('deploy/prometheus/compose.yml')
  t.strictSame(rule_files, (await yaml('deploy/prometheus/prometheus.yml')).rule_files)
  const [{ job_name, static_configs, authorization }] = scrape_configs
  t.equal(job_name, 'threadplane', 'the alerts name it')
  const [host, port] = static_configs[0].targets[0].split(':')
  t.ok(host in services)
  t.equal(Number(port), readConfig({}).port)
  const [, , command] = services['metrics-token'].command
  t.ok(command.endsWith(`threadplane token create prometheus --scope metrics > ${authorization.credentials_file}`))

  const { datasources } = await yaml('deploy/grafana/provisioning/datasources/prometheus.yml')
  t.match(datasources, [{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }])
  const { providers } = await yaml('deploy/grafana/provisioning/dashboards/threadplane.yml')
  const dashboard = services.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH
  t.equal(dirname(dashboard), providers[0].options.path)
  t.ok(services.grafana.volumes.includes(`./deploy/grafana/threadplane.json:${dashboard}:ro`))
})
