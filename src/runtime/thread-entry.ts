/**
 * The entry of a service's thread: loads the service module, sends its description, and then does what the messages of
 * the control thread say, until it is stopped or crashes.
 * Source: mode/threads.py ServiceThread._serve
 */
import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { MessageBatcher } from '../async/message-batcher.ts'
import { toWireError } from '../contract/errors.ts'
import type { ServiceContext } from '../module/define-service.ts'
import { describeService } from '../module/describe-service.ts'
import { HEARTBEAT_EVERY_MS, Heartbeat } from '../protocol/heartbeat.ts'
import type { ControlMessage, StartMessage, ThreadData, ThreadMessage } from '../protocol/messages.ts'
import { type ControlWire, packThread, transfersOf, unpackControl } from '../protocol/wire.ts'
import { BackgroundTasks } from './background-tasks.ts'
import { crashOnPurpose } from './crash-on-purpose.ts'
import { guardParentPort } from './guard-parent-port.ts'
import { guardSignals } from './guard-signals.ts'
import { loadModule } from './load-module.ts'
import { MethodRunner } from './method-runner.ts'
import { inOwnScope } from './own-scope.ts'
import { parseConfig } from './parse-config.ts'
import { ThreadLogger } from './thread-logger.ts'

if (parentPort === null) throw new Error('thread-entry must be started as a worker thread')
const port = parentPort
const data = workerData as ThreadData
const post = port.postMessage.bind(port)

const batcher = new MessageBatcher<ThreadMessage>(
  (messages) => post(messages.map(packThread), transfersOf(messages)),
  (message, error) => {
    if (message.type !== 'result') return crash(error)
    const { slot, sequence, ranUs } = message
    const { message: detail } = toWireError(error)
    batcher.push({ type: 'failure', slot, sequence, failure: { kind: 'notSerializable', detail }, ranUs })
  },
)
let isCrashing = false
const logger = new ThreadLogger(batcher, crash)
logger.captureOutput()
guardParentPort(port, logger, crash)
guardSignals(data.guarded)
process.on('uncaughtException', crash)
// When the module calls `process.exit`, the results and log lines of this turn are still sent.
process.on('exit', () => {
  logger.endLines()
  batcher.flush()
})

const heartbeat = new Heartbeat(data.heartbeat)
const beat = () => heartbeat.beat(getHeapStatistics().used_heap_size)
beat()
let heartbeatTimer = setInterval(beat, HEARTBEAT_EVERY_MS).unref()

const stopping = new AbortController()
const backgroundTasks = new BackgroundTasks()
// biome-ignore lint/suspicious/noExplicitAny: only the module knows the type of its state
const context: ServiceContext<any> = {
  name: data.service,
  logger: logger.for(),
  signal: stopping.signal,
  state: undefined,
  config: undefined,
}

try {
  const definition = await inOwnScope(loadModule, data.module)
  const description = describeService(definition)
  const runner = new MethodRunner(definition, description, batcher, logger)

  const start = async (options: StartMessage) => {
    clearInterval(heartbeatTimer)
    heartbeatTimer = setInterval(beat, options.beatEveryMs).unref()
    context.config = await inOwnScope(parseConfig, data.service, definition.config, options.config)
    if (options.restarted) await inOwnScope(async () => definition.onRestart?.(context))
    await inOwnScope(async () => definition.onStart?.(context))
    backgroundTasks.start(definition, context, crash)
    await inOwnScope(async () => definition.onStarted?.(context))
    context.state = await inOwnScope(async () => definition.onThreadStarted?.(context))
    batcher.push({ type: 'started' })
    runner.start(options, context)
  }

  const stop = async () => {
    inOwnScope(() => stopping.abort())
    let failure: unknown
    try {
      await inOwnScope(async () => definition.onThreadStop?.(context))
    } catch (error) {
      failure = error
    }
    await backgroundTasks.ended()
    logger.endLines()
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
        runner.enqueue(message)
        break
      case 'abort':
        runner.abort(message.sequence, message.reason)
        break
      case 'credit':
        runner.credit(message.sequence, message.cost)
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
    runner.turn()
  })
  batcher.push({ type: 'described', description })
} catch (error) {
  crash(error)
}

/** Ends the thread, and reports why: Node delivers what a thread has posted before it exits. */
function crash(error: unknown): void {
  // Its own last lines may be the ones that are too many.
  if (isCrashing) return
  isCrashing = true
  logger.endLines()
  batcher.push({ type: 'crashed', error: toWireError(error) })
  batcher.flush()
  process.exit(1)
}
