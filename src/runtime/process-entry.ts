/**
 * The entry of a service's process, that is its main thread. The service itself runs in a worker thread of this
 * process, as it would in the server's process. So whatever the service does, the main thread is free: it passes
 * messages on, reports the heartbeat, watches the memory, and ends the process when it is told to or when the server is
 * gone.
 */
import { Worker } from 'node:worker_threads'
import { toWireError } from '../contract/errors.ts'
import { recordProfile } from '../diagnostics/profiler.ts'
import { stackReader } from '../diagnostics/stack-reader.ts'
import { Heartbeat } from '../protocol/heartbeat.ts'
import type { AbortMessage, StartMessage, ThreadData } from '../protocol/messages.ts'
import type { FromProcess, LaunchMessage, ProfileMessage, ToProcess } from '../protocol/process-messages.ts'
import { type ControlWire, type ThreadWire, withOwnBytes } from '../protocol/wire.ts'
import { environmentOf } from '../system/environment.ts'
import { killGroup } from '../system/process-group.ts'
import { watchMemory } from './watch-memory.ts'

/** How often heartbeat and load are reported at least, in milliseconds. */
const REPORT_EVERY_MS = 500
/** How long the process waits until its last message is sent. */
const FLUSH_TIMEOUT_MS = 500

/** Ends this process, and all processes that the service has started, at once. */
function die(): void {
  killGroup(process.pid)
  process.kill(process.pid, 'SIGKILL')
}
process.once('disconnect', die)
if (!process.connected) die()
// A terminal or an init system sends these to all processes. The server gets them too, and decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

process.once('message', (message: LaunchMessage) => launch(message))

/** @throws if the message cannot be serialised */
function send(message: FromProcess, onSent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, onSent)
}

function dieAfterSending(message: FromProcess): void {
  setTimeout(die, FLUSH_TIMEOUT_MS)
  send(message, die)
}

function launch({ service, module, limits, env, guarded }: LaunchMessage): void {
  process.title = `threadplane ${service}`
  const heartbeat = new Heartbeat()
  const data: ThreadData = { service, module, heartbeat: heartbeat.buffer, guarded }
  const thread = new Worker(new URL('./thread-entry.js', import.meta.url), {
    workerData: data,
    name: service,
    resourceLimits: limits,
    env: environmentOf(env),
    stdout: true,
    stderr: true,
  })
  // The output of JavaScript comes as log messages. What else is written is read and dropped, or it would pile up.
  thread.stdout.resume()
  thread.stderr.resume()
  thread.on('message', (messages: ThreadWire[]) => {
    // A module can post anything. The server checks what is in the array; what is none must not look like a message of
    // this process.
    if (!Array.isArray(messages)) messages = [messages]
    for (const sequence of passOn(messages)) {
      const reason = toWireError(new Error('an item of the stream cannot be sent to another process'))
      thread.postMessage([{ type: 'abort', sequence, reason } satisfies AbortMessage])
    }
  })
  const sendError = (error: unknown) => send({ type: 'error', error: toWireError(error) })
  thread.on('error', sendError)
  thread.on('messageerror', sendError)
  thread.on('exit', (exitCode) => dieAfterSending({ type: 'ended', exitCode }))
  const report = () => {
    const utilization = thread.performance.eventLoopUtilization()
    const { count: beats, heapUsedBytes } = heartbeat
    send({ type: 'report', beats, heapUsedBytes, utilization })
  }
  let reportTimer = setInterval(report, REPORT_EVERY_MS)
  const passToThread = (messages: ControlWire[]): void => {
    const start = messages.find((one) => !Array.isArray(one) && one.type === 'start') as StartMessage | undefined
    if (start !== undefined) {
      // With a short `hangTimeoutMs` the thread beats more often, and its beats are reported as often.
      clearInterval(reportTimer)
      reportTimer = setInterval(report, Math.min(REPORT_EVERY_MS, start.beatEveryMs))
    }
    const { wires, transfers } = withOwnBytes(messages)
    thread.postMessage(wires, transfers)
  }
  const profiles = new Map<number, AbortController>()
  const profile = async ({ id, request }: ProfileMessage): Promise<void> => {
    const end = new AbortController()
    profiles.set(id, end)
    const outcome = await recordProfile(thread.threadId, request, end.signal)
    profiles.delete(id)
    send({ type: 'profiled', id, outcome })
  }
  process.on('message', (message: Exclude<ToProcess, LaunchMessage>) => {
    if (Array.isArray(message)) return passToThread(message)
    switch (message.type) {
      case 'stack':
        void stackReader.read(thread.threadId).then((stack) => send({ type: 'stack', stack }))
        break
      case 'profile':
        void profile(message)
        break
      case 'endProfile':
        profiles.get(message.id)?.abort()
        break
      case 'terminate':
        void thread.terminate()
    }
  })
  watchMemory(service, limits, (error) => dieAfterSending({ type: 'error', error }))
}

/**
 * Passes messages of the thread on to the server. Some values can be sent between threads, but not between processes.
 * Then that method alone fails. Returns the sequence numbers of methods that failed so: if they are streams, they must
 * end.
 */
function passOn(messages: ThreadWire[]): number[] {
  try {
    send(messages)
    return []
  } catch (error) {
    if (messages.length > 1) return messages.flatMap((message) => passOn([message]))
    if (!Array.isArray(messages[0])) return []
    const [slot, sequence, , ranUs] = messages[0]
    const { message: detail } = toWireError(error)
    send([{ type: 'failure', slot, sequence, failure: { kind: 'notSerializable', detail }, ranUs }])
    return [sequence]
  }
}
