/**
 * How messages cross the thread boundary: those of every call as tuples, all others as they are. Structured clone
 * carries the keys of an object with it, and making the object anew costs three times what a tuple does. Pure.
 */
import type { ControlMessage, JobContext, ResultFormat, RunMessage, ThreadMessage } from './protocol.ts'

type RunTuple = [
  slot: number,
  sequence: number,
  method: string,
  payload: unknown,
  format: ResultFormat,
  jobId: string,
  attempt: number,
  traceparent: string | undefined,
]
type ResultTuple = [slot: number, sequence: number, value: unknown]

export type ControlWire = RunTuple | Exclude<ControlMessage, { type: 'run' }>
export type ThreadWire = ResultTuple | Exclude<ThreadMessage, { type: 'result' }>

export function packControl(message: ControlMessage): ControlWire {
  if (message.type !== 'run') return message
  const { slot, sequence, method, payload, format, job } = message
  return [slot, sequence, method, payload, format, job.id, job.attempt, job.traceparent]
}

export function unpackControl(wire: ControlWire): ControlMessage {
  return Array.isArray(wire) ? toRunMessage(wire) : wire
}

function toRunMessage([slot, sequence, method, payload, format, id, attempt, traceparent]: RunTuple): RunMessage {
  const job: JobContext = traceparent === undefined ? { id, attempt } : { id, attempt, traceparent }
  return { type: 'run', slot, sequence, method, payload, format, job }
}

export function packThread(message: ThreadMessage): ThreadWire {
  return message.type === 'result' ? [message.slot, message.sequence, message.value] : message
}

export function unpackThread(wire: ThreadWire): ThreadMessage {
  if (!Array.isArray(wire)) return wire
  const [slot, sequence, value] = wire
  return { type: 'result', slot, sequence, value }
}
