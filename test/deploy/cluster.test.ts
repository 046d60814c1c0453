/** The files that start a cluster agree with the server: settings, ports, probes and times, and what they name exists. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../../src/config.ts'

interface Variable {
  name: string
  value?: string
}

interface Probe {
  httpGet: { path: string; port: string }
}

interface Labelled {
  metadata: { name: string; labels: Record<string, string> }
}

interface Deployment extends Labelled {
  spec: {
    replicas: number
    selector: { matchLabels: Record<string, string> }
    strategy: { rollingUpdate: { maxUnavailable: number } }
    template: Labelled & {
      spec: {
        terminationGracePeriodSeconds: number
        volumes?: unknown
        containers: {
          ports: { name: string; containerPort: number }[]
          env: Variable[]
          startupProbe: Probe
          livenessProbe: Probe
          readinessProbe: Probe
        }[]
      }
    }
  }
}

interface Compose {
  services: Record<
    string,
    {
      profiles?: string[]
      hostname?: string
      environment?: Record<string, string>
      volumes?: string[]
      depends_on?: Record<string, { condition: string }>
      stop_grace_period?: string
    }
  >
  volumes: Record<string, unknown>
}

/** The values of a file, as the server reads them: what it refuses, it would refuse at its start. */
const configOf = (values: Record<string, string>) =>
  readConfig(Object.fromEntries(Object.entries(values).filter(([name]) => name.startsWith('THREADPLANE_'))))

t.test('Kubernetes: each part is one of the API, and they belong together', async (t) => {
  const text = await readFile('deploy/kubernetes-cluster.yaml', 'utf8')
  const documents = parseAllDocuments(text)
  t.strictSame(
    documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
    [],
  )
  const parts = documents.map((document) => document.toJS() as { apiVersion: string; kind: string })
  t.strictSame(
    parts.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
    ['apps/v1 Deployment', 'v1 Service', 'policy/v1 PodDisruptionBudget'],
  )
  const [deployment, service, budget] = parts as unknown as [
    Deployment,
    { spec: { selector: object; ports: { targetPort: string }[] } },
    { spec: { selector: { matchLabels: object } } },
  ]
  const { template, selector, replicas, strategy } = deployment.spec
  t.strictSame(template.metadata.labels, selector.matchLabels)
  t.strictSame(service.spec.selector, selector.matchLabels)
  t.strictSame(budget.spec.selector.matchLabels, selector.matchLabels)
  t.ok(replicas > 1)
  t.equal(strategy.rollingUpdate.maxUnavailable, 0)
  t.equal(template.spec.volumes, undefined)
  const [container] = template.spec.containers
  if (container === undefined) return t.fail('there is a container')
  const named = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]))
  for (const { targetPort } of service.spec.ports) t.ok(named.has(targetPort), targetPort)

  // Kubernetes puts the values of earlier variables and of secrets in.
  const known: Record<string, string> = {
    POD_IP: '10.0.0.7',
    THREADPLANE_DATABASE_URL: 'postgres://user:password@db.example/plane',
    THREADPLANE_ADMIN_TOKEN: 'a'.repeat(64),
    THREADPLANE_NODE_NAME: 'threadplane-7d4b9c6f5-x2x4k',
  }
  for (const { name, value } of container.env) {
    known[name] ??= value ?? ''
    known[name] = known[name].replaceAll(/\$\((\w+)\)/g, (_, earlier: string) => known[earlier] ?? `unknown ${earlier}`)
  }
  const config = configOf(known)
  t.match(config, { host: '0.0.0.0', nodeUrl: 'http://10.0.0.7:8081' })
  t.equal(named.get('http'), config.port)
  t.equal(named.get('nodes'), config.nodePort)
  const graceMs = template.spec.terminationGracePeriodSeconds * 1_000
  t.ok(config.closeDelayMs > 0)
  t.ok(graceMs > config.closeDelayMs + config.shutdownTimeoutMs, 'it is not killed before it has closed')
  for (const [probe, path] of [
    ['startupProbe', '/startupz'],
    ['livenessProbe', '/livez'],
    ['readinessProbe', '/readyz'],
  ] as const)
    t.strictSame(container[probe].httpGet, { path, port: 'http' })
})

t.test('Docker Compose: the profile cluster has all that it needs, and without it there is one server', async (t) => {
  const { services, volumes } = parse(await readFile('docker-compose.yml', 'utf8'), { merge: true }) as Compose
  const inProfile = Object.entries(services).filter(([, { profiles }]) => profiles?.includes('cluster'))
  t.strictSame(inProfile.map(([name]) => name).sort(), ['node-a', 'node-b', 'postgres', 'proxy'])
  t.strictSame(
    Object.keys(services).filter((name) => services[name]?.profiles === undefined),
    ['threadplane'],
  )
  const caddy = await readFile('deploy/Caddyfile', 'utf8')
  t.match(caddy, /health_uri \/readyz\n/)
  const dockerfile = await readFile('Dockerfile', 'utf8')
  for (const [name, { environment = {}, depends_on = {}, volumes: mounts = [], hostname }] of inProfile) {
    for (const needed of Object.keys(depends_on))
      t.ok(services[needed]?.profiles?.includes('cluster'), `${name}: ${needed}`)
    for (const mount of mounts) {
      const [source = '', target = ''] = mount.split(':')
      if (source.startsWith('./')) await t.resolves(readFile(source), source)
      else t.ok(source in volumes, source)
      if (name.startsWith('node-')) t.match(dockerfile, `--owner=node --group=node /data /services ${target}\n`)
    }
    if (!name.startsWith('node-')) continue
    t.equal(hostname, name, 'other nodes reach it by its name')
    t.match(caddy, `${name}:8080`)
    const values = Object.entries(environment).map(([key, text]) => [key, text.replaceAll(/\$\{\w+:-(\w+)\}/g, '$1')])
    const config = configOf(Object.fromEntries(values) as Record<string, string>)
    t.equal(config.databaseUrl, 'postgres://threadplane:threadplane@postgres/threadplane')
    t.ok(config.tokens.startsWith('/tokens/') && config.adminTokenFile.startsWith('/tokens/'))
    const graceMs = Number.parseInt(services[name]?.stop_grace_period ?? '', 10) * 1_000
    t.ok(config.closeDelayMs > 0)
    t.ok(graceMs > config.closeDelayMs + config.shutdownTimeoutMs)
  }
})
