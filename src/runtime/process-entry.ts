/**
 * The main thread of a service's process. None of the service's code runs in it: that has a thread of its own here, the
 * same as it has in the server's process. So this one is always free, whatever that does: it passes messages on,
 * reports the heartbeat, watches the memory, and ends the process when it is told to, or when the server is gone.
 */
import { Worker } from 'node:worker_threads'
import { toWireError } from '../contract/errors.ts'
import { killGroup } from '../system/process-group.ts'
import type { FromProcess, LaunchMessage, ToProcess } from '../protocol/process-messages.ts'
import type { AbortMessage, StartMessage, ThreadData } from '../protocol/messages.ts'
import { Heartbeat } from '../protocol/heartbeat.ts'
import { readStack } from '../diagnostics/thread-stack.ts'
import { type ThreadWire, withOwnBytes } from '../protocol/wire.ts'
import { watchMemory } from './watch-memory.ts'

/** How often the control thread is told what it would otherwise see in shared memory, in milliseconds. */
const REPORT_EVERY_MS = 500
/** How long a last message is waited for. */
const FLUSH_WITHIN_MS = 500
const NOT_PASSED = 'what it sent does not cross processes'

/** At once, with whatever the service has started: nobody is left to want it. */
function die(): void {
  killGroup(process.pid)
  process.kill(process.pid, 'SIGKILL')
}
process.once('disconnect', die)
if (!process.connected) die()
// A terminal or an init system means the server, which decides what becomes of this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

process.once('message', (message: LaunchMessage) => launch(message))

/** @throws what the message cannot be serialised for */
function tell(message: FromProcess, sent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, sent)
}

function dieAfter(message: FromProcess): void {
  setTimeout(die, FLUSH_WITHIN_MS)
  tell(message, die)
}

function launch({ service, module, limits }: LaunchMessage): void {
  process.title = `threadplane ${service}`
  const heartbeat = new Heartbeat()
  const data: ThreadData = { service, module, heartbeat: heartbeat.buffer }
  const thread = new Worker(new URL('./thread-entry.js', import.meta.url), {
    workerData: data,
    name: service,
    resourceLimits: limits,
    stdout: true,
    stderr: true,
  })
  // What JavaScript writes comes as log messages; unread, the rest would pile up.
  thread.stdout.resume()
  thread.stderr.resume()
  thread.on('message', (messages: ThreadWire[]) => {
    for (const sequence of passOn(messages)) {
      thread.postMessage([
        { type: 'abort', sequence, reason: toWireError(new Error(NOT_PASSED)) } satisfies AbortMessage,
      ])
    }
  })
  const fail = (error: unknown) => tell({ type: 'error', error: toWireError(error) })
  thread.on('error', fail)
  thread.on('messageerror', fail)
  thread.on('exit', (exitCode) => dieAfter({ type: 'ended', exitCode }))
  const report = () => {
    const utilization = thread.performance.eventLoopUtilization()
    const { count: beats, heapUsedBytes } = heartbeat
    tell({ type: 'report', beats, heapUsedBytes, utilization })
  }
  let reporting = setInterval(report, REPORT_EVERY_MS)
  const receive = (message: Exclude<ToProcess, LaunchMessage>): void => {
    if (Array.isArray(message)) {
      const start = message.find((one) => !Array.isArray(one) && one.type === 'start') as StartMessage | undefined
      if (start !== undefined) {
        clearInterval(reporting)
        // It may be told to beat more often, so that a hang is noticed sooner.
        reporting = setInterval(report, Math.min(REPORT_EVERY_MS, start.beatEveryMs))
      }
      const { wires, transfers } = withOwnBytes(message)
      thread.postMessage(wires, transfers)
    } else if (message.type === 'stack') void readStack(thread.threadId).then((stack) => tell({ type: 'stack', stack }))
    else void thread.terminate()
  }
  process.on('message', receive)
  watchMemory(service, limits, (error) => dieAfter({ type: 'error', error }))
}

/**
 * What crosses threads may not cross processes: that is the failure of its method, and of no other. Returns those that
 * failed so: of a stream, no more is taken.
 */
function passOn(messages: ThreadWire[]): number[] {
  try {
    tell(messages)
    return []
  } catch (error) {
    if (messages.length > 1) return messages.flatMap((message) => passOn([message]))
    if (!Array.isArray(messages[0])) return []
    const [slot, sequence] = messages[0]
    const { message: detail } = toWireError(error)
    tell([{ type: 'failure', slot, sequence, failure: { kind: 'notSerializable', detail } }])
    return [sequence]
  }
}
