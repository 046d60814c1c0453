/** What requests and answers look like, in the OpenAPI document. A test checks each example against its schema. */

const JOB_ID = '01a227ea-173d-7000-8a3d-316da8d1135b'
const AT = '2026-11-29T15:26:22.525Z'
const BEGUN = '2026-11-29T15:26:22.543Z'
const ENDED = '2026-11-29T15:26:22.969Z'
const COUNTS = { scheduled: 0, queued: 2, running: 1, succeeded: 4_180, failed: 3, cancelled: 0, expired: 0 }

const job = {
  id: JOB_ID,
  service: 'primes',
  method: 'count',
  state: 'succeeded',
  attempts: 1,
  history: [{ number: 1, startedAt: BEGUN, endedAt: ENDED }],
  maxAttempts: 3,
  priority: 5,
  progress: null,
  createdAt: AT,
  startedAt: BEGUN,
  finishedAt: ENDED,
  notBefore: null,
  expiresAt: null,
  schedule: null,
  result: { count: 78_498, below: 1_000_000 },
}
const service = {
  name: 'primes',
  module: 'primes.js',
  description: 'Counts primes, and factorises',
  state: 'running',
  desiredState: 'running',
  isolation: 'thread',
  draining: false,
  options: { autostart: true, threads: 1, numWorkers: 2, queueCapacity: 10_000, prefetch: 64, isolation: 'thread' },
  threads: [
    {
      id: 3,
      state: 'running',
      draining: false,
      lastWakeupAt: AT,
      responsive: true,
      eventLoopUtilization: 0.02,
      heapUsedBytes: 9_622_528,
      startedAt: AT,
    },
  ],
  stuck: 0,
  queue: { size: 0, running: 0, capacity: 10_000 },
  counts: { calls: 12, casts: 4, succeeded: 15, failed: 1, retried: 0 },
  restartCount: 0,
  restartBudget: { maxRestarts: 5, periodMs: 60_000, remaining: 5 },
  crashReason: null,
  methods: ['count', 'factorize'],
}
const { below } = job.result
const line = `{"id":"387910a8fe-1","time":"${AT}","level":"info","msg":"counting","service":"primes","below":${below}}\n`

/** By the name of the schema. */
const OF_SCHEMAS: Record<string, unknown> = {
  Job: job,
  JobList: { items: [job], nextCursor: null },
  ServiceStatus: service,
  ServiceList: { items: [service] },
  LifecycleResult: { ...service, changed: true },
  Registration: { module: 'thumbs.js', threads: 2, restart: { maxRestarts: 10 } },
  OptionsChange: { threads: 2, hangTimeoutMs: null },
  MethodList: {
    config: null,
    items: [
      {
        name: 'count',
        description: 'How many primes there are below a number',
        input: { type: 'object', properties: { below: { type: 'integer' } }, required: ['below'] },
        output: null,
        streams: false,
        timeoutMs: 30_000,
        maxAttempts: 3,
        backoffMs: 1_000,
        backoffMaxMs: 60_000,
        priority: 5,
        sensitive: false,
      },
    ],
  },
  Health: { status: 'ok', checks: [{ name: 'journal', ok: true }] },
  Me: { token: 'ci', via: 'bearer', scopes: ['read', 'enqueue'], expiresAt: null },
  Schedule: {
    source: 'http',
    service: 'primes',
    name: 'nightly',
    cron: '0 3 * * *',
    timezone: 'Europe/Vienna',
    method: 'count',
    payload: { below: 1_000_000 },
    nextRunAt: '2026-11-30T02:00:00.000Z',
    lastRunAt: null,
    error: null,
  },
  BatchAnswer: { items: [{ status: 202, job: { ...job, state: 'queued', attempts: 0, history: [] } }] },
  Problem: {
    type: 'urn:threadplane:problem:method-not-found',
    title: 'No such method',
    status: 404,
    detail: 'primes has no method "cuont"; it has: count, factorize',
    instance: '/v1/services/primes/call/cuont',
    code: 'METHOD_NOT_FOUND',
    retryable: false,
    service: 'primes',
    method: 'cuont',
  },
}

/** By the id of the operation. */
const OF_REQUESTS: Record<string, unknown> = {
  signIn: { token: 'tp_ci_3q2-7wAB' },
  profileService: { kind: 'cpu', seconds: 5 },
  takeHeapSnapshot: { thread: 3 },
  crashService: { kind: 'exception', reason: 'a drill' },
  callMethod: { below },
  castMethod: { below },
  changeJobs: { action: 'retry', dryRun: true, filter: { service: 'primes', state: 'failed' } },
  putSchedule: { cron: '0 3 * * *', timezone: 'Europe/Vienna', method: 'count', payload: { below } },
}

/** By the id of the operation: the answer where it succeeds, unless its schema has an example. */
const OF_ANSWERS: Record<string, unknown> = {
  metrics: '# TYPE threadplane_service_up gauge\nthreadplane_service_up{service="primes"} 1\n',
  listAudit: {
    items: [
      {
        at: AT,
        token: 'ci',
        via: 'bearer',
        address: '192.0.2.7',
        action: 'putSchedule',
        service: 'primes',
        target: 'nightly',
        outcome: 'ok',
        code: null,
        requestId: '01a227ea-23d5-7000-aca4-dce5f2e5fbb9',
      },
    ],
    nextCursor: null,
  },
  followEvents: {
    items: [
      { id: '387910a8fe-4', type: 'job.failed', at: AT, job: { id: JOB_ID, service: 'primes', method: 'count' } },
    ],
    cursor: '387910a8fe-4',
  },
  readLogs: line,
  readServiceLogs: line,
  readJobLogs: line,
  listServices: { items: [service] },
  listNodes: {
    items: [
      {
        id: '387910a8fe',
        name: 'one',
        url: 'http://10.0.0.1:8081',
        version: '1.0.0',
        startedAt: AT,
        seenAt: ENDED,
        labels: { gpu: 'yes' },
        self: true,
        draining: false,
        services: [{ name: 'primes', state: 'running', threads: 1, moduleHash: 'XCYXbSzEaobxi6Pn', differs: false }],
      },
    ],
  },
  drainNode: { id: '387910a8fe', name: 'one', draining: true },
  getStack: {
    items: [
      {
        id: 3,
        state: 'running',
        frames: [{ function: 'isPrime', url: 'file:///services/primes.js', line: 12, column: 7 }],
      },
    ],
  },
  profileService: { nodes: [], startTime: 0, endTime: 5_000_000, samples: [], timeDeltas: [] },
  takeHeapSnapshot: { snapshot: { meta: {}, node_count: 0, edge_count: 0 } },
  getSeries: {
    stepMs: 10_000,
    columns: [
      'at',
      'calls',
      'jobs',
      'failures',
      'retries',
      'queue',
      'running',
      'heapBytes',
      'elu',
      'runP50Ms',
      'runP95Ms',
    ],
    items: [[1_795_965_986_297, 0, 1, 0, 0, 0, 0, 9_624_576, 0, 375, 487.5]],
  },
  callMethod: job.result,
  getServiceDocument: { openapi: '3.1.0', info: { title: 'threadplane', version: '1.0.0' }, paths: {} },
  retryFailedJobs: { retried: 3 },
  changeJobs: { matched: 344, changed: 0, remaining: 344 },
  listFailures: {
    items: [
      {
        key: 'b7Yq0yXq3nY',
        service: 'primes',
        method: 'count',
        code: 'METHOD_FAILED',
        name: 'RangeError',
        message: 'Invalid array length',
        count: 344,
        firstAt: AT,
        lastAt: ENDED,
        sampleJobId: JOB_ID,
      },
    ],
  },
  countJobs: { items: [{ service: 'primes', counts: COUNTS, oldestQueuedAt: AT }], total: COUNTS },
  getJobPayload: { below },
  listSchedules: { items: [OF_SCHEMAS.Schedule] },
  listAllSchedules: { items: [OF_SCHEMAS.Schedule] },
}

interface Content {
  [type: string]: { schema?: { $ref?: string }; example?: unknown }
}
interface Operation {
  operationId: string
  requestBody?: { content: Content }
  responses: Record<string, { content?: Content }>
}

export function addExamples(document: {
  paths: Record<string, Record<string, object>>
  components: { schemas: Record<string, unknown> }
}): void {
  for (const [name, example] of Object.entries(OF_SCHEMAS)) {
    const schema = document.components.schemas[name]
    if (schema !== undefined) Object.assign(schema as object, { examples: [example] })
  }
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path) as Operation[])) {
    const { operationId, requestBody, responses } = operation
    give(requestBody?.content, OF_REQUESTS[operationId])
    const [, success] = Object.entries(responses).find(([status]) => status.startsWith('2')) ?? []
    give(success?.content, OF_ANSWERS[operationId])
  }
}

/** A text is an example of each type of content, a value of JSON only. */
function give(content: Content = {}, example: unknown): void {
  for (const [type, one] of Object.entries(content)) {
    if (example !== undefined && (typeof example === 'string' || type === 'application/json')) one.example = example
  }
}
