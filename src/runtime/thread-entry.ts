/**
 * What a service's thread runs first: it loads the module, describes it, and from then on does what it is told.
 * Source: mode/threads.py ServiceThread._serve
 */
import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { toWireError } from '../contract/errors.ts'
import { MessageBatcher } from '../async/message-batcher.ts'
import type { ControlMessage, CrashMessage, StartMessage, ThreadData, ThreadMessage } from '../protocol/messages.ts'
import { HEARTBEAT_EVERY_MS, Heartbeat } from '../protocol/heartbeat.ts'
import { type ControlWire, packThread, transfersOf, unpackControl } from '../protocol/wire.ts'
import { Background } from './background-tasks.ts'
import { MethodRunner } from './method-runner.ts'
import type { ServiceContext } from '../module/define-service.ts'
import { describeService } from '../module/describe-service.ts'
import { loadModule } from './load-module.ts'
import { keepPort } from './guard-parent-port.ts'
import { ThreadLogger } from './thread-logger.ts'

if (parentPort === null) throw new Error('this module is the entry of a worker thread')
const port = parentPort
const data = workerData as ThreadData
const post = port.postMessage.bind(port)

const batcher = new MessageBatcher<ThreadMessage>(
  (messages) => post(messages.map(packThread), transfersOf(messages)),
  (message, error) => {
    if (message.type !== 'result') return crash(error)
    const { slot, sequence } = message
    const { message: detail } = toWireError(error)
    batcher.push({ type: 'failure', slot, sequence, failure: { kind: 'notSerializable', detail } })
  },
)
const logger = new ThreadLogger(batcher, crash)
logger.captureOutput()
keepPort(port, logger, crash)
process.on('uncaughtException', crash)
// Whoever calls it: results and log lines of this turn are not lost by it.
process.on('exit', batcher.flush)

const heartbeat = new Heartbeat(data.heartbeat)
const beat = () => heartbeat.beat(getHeapStatistics().used_heap_size)
beat()
let heart = setInterval(beat, HEARTBEAT_EVERY_MS).unref()

const stopping = new AbortController()
const background = new Background()
const context: ServiceContext = {
  name: data.service,
  logger: logger.for(),
  signal: stopping.signal,
  state: undefined,
}

try {
  const definition = await loadModule(data.module)
  const description = describeService(definition)
  const consumers = new MethodRunner(definition, description, batcher, logger)

  const start = async (options: StartMessage) => {
    clearInterval(heart)
    heart = setInterval(beat, options.beatEveryMs).unref()
    if (options.restarted) await definition.onRestart?.(context)
    await definition.onStart?.(context)
    background.start(definition, context, crash)
    await definition.onStarted?.(context)
    context.state = await definition.onThreadStarted?.(context)
    batcher.push({ type: 'started' })
    consumers.start(options, context.state)
  }

  const stop = async () => {
    stopping.abort()
    let failure: unknown
    try {
      await definition.onThreadStop?.(context)
    } catch (error) {
      failure = error
    }
    await background.settled()
    batcher.push({ type: 'stopped', ...(failure !== undefined && { error: toWireError(failure) }) })
    batcher.flush()
    process.exit(0)
  }

  const receive = (message: ControlMessage): void => {
    switch (message.type) {
      case 'start':
        start(message).catch(crash)
        break
      case 'run':
        consumers.enqueue(message)
        break
      case 'abort':
        consumers.abort(message.sequence, message.reason)
        break
      case 'credit':
        consumers.credit(message.sequence, message.cost)
        break
      case 'stop':
        stop().catch(crash)
        break
      case 'crash':
        crashOnPurpose(message)
        break
    }
  }
  port.on('message', (messages: ControlWire[]) => {
    for (const message of messages) receive(unpackControl(message))
    consumers.turn()
  })
  batcher.push({ type: 'described', description })
} catch (error) {
  crash(error)
}

/** The thread's last words. They arrive: what was posted before an exit is delivered. */
function crash(error: unknown): void {
  batcher.push({ type: 'crashed', error: toWireError(error) })
  batcher.flush()
  process.exit(1)
}

function crashOnPurpose({ kind, reason }: CrashMessage): void {
  switch (kind) {
    case 'exception':
      setImmediate(() => {
        throw new Error(reason)
      })
      break
    case 'exit':
      process.exit(1)
      break
    case 'hang':
      for (;;);
    case 'oom': {
      const hoard: unknown[] = []
      for (;;) hoard.push(new Array(1_000_000).fill(reason))
    }
  }
}
