/**
 * How messages cross the thread boundary: those of every call as tuples, all others as they are. Structured clone
 * carries the keys of an object with it, and making the object anew costs three times what a tuple does. Pure.
 */
import type { JobContext } from '../contract/description.ts'
import type { ControlMessage, JsonBytes, ResultFormat, RunMessage, ThreadMessage } from './messages.ts'

type RunTuple = [
  slot: number,
  sequence: number,
  method: string,
  payload: unknown,
  format: ResultFormat,
  jobId: string,
  attempt: number,
  traceparent: string | undefined,
  contentType: string | undefined,
]
type ResultTuple = [slot: number, sequence: number, value: unknown]
type ItemTuple = [slot: number, sequence: number, value: unknown, cost: number]

export type ControlWire = RunTuple | Exclude<ControlMessage, { type: 'run' }>
export type ThreadWire = ResultTuple | ItemTuple | Exclude<ThreadMessage, { type: 'result' | 'item' }>

export function packControl(message: ControlMessage): ControlWire {
  if (message.type !== 'run') return message
  const { slot, sequence, method, payload, format, job, contentType } = message
  return [slot, sequence, method, payload, format, job.id, job.attempt, job.traceparent, contentType]
}

export function unpackControl(wire: ControlWire): ControlMessage {
  return Array.isArray(wire) ? toRunMessage(wire) : wire
}

function toRunMessage(wire: RunTuple): RunMessage {
  const [slot, sequence, method, payload, format, id, attempt, traceparent, contentType] = wire
  const job: JobContext = traceparent === undefined ? { id, attempt } : { id, attempt, traceparent }
  return { type: 'run', slot, sequence, method, payload, format, job, contentType }
}

export function packThread(message: ThreadMessage): ThreadWire {
  switch (message.type) {
    case 'result':
      return [message.slot, message.sequence, message.value]
    case 'item':
      return [message.slot, message.sequence, message.value, message.cost]
    default:
      return message
  }
}

function unpackThread(wire: ThreadWire): ThreadMessage {
  if (!Array.isArray(wire)) return wire
  const [slot, sequence, value, cost] = wire
  if (cost !== undefined) return { type: 'item', slot, sequence, value, cost }
  return { type: 'result', slot, sequence, value }
}

/** What a thread has posted, which its module may have done. @throws if it is no list of messages */
export function unpackMessages(wires: unknown): ThreadMessage[] {
  if (!Array.isArray(wires) || wires.some((wire) => typeof wire !== 'object' || wire === null)) {
    throw new TypeError('it has posted what is no message')
  }
  return wires.map(unpackThread)
}

/** The buffers that go with messages, and are gone on this side. */
export function transfersOf(messages: readonly (ControlMessage | ThreadMessage)[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = []
  for (const message of messages) {
    if ((message.type === 'run' || message.type === 'result') && message.transfer !== undefined) {
      buffers.push(message.transfer)
    }
  }
  return buffers
}

/** Bytes in a buffer of their own, which may be transferred: the same, unless they are a part of something larger. */
export function inOwnBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) return bytes as Uint8Array<ArrayBuffer>
  const own = Buffer.allocUnsafeSlow(byteLength)
  own.set(bytes)
  return own
}

/** What a channel between processes has read: bytes are parts of all it has read, of which a thread is sent no more. */
export function withOwnBytes(wires: readonly ControlWire[]): { wires: ControlWire[]; transfers: ArrayBuffer[] } {
  const transfers: ArrayBuffer[] = []
  const own = wires.map((wire) => {
    if (!Array.isArray(wire)) return wire
    const [, , , payload, format] = wire
    const json = format === 'clone' ? undefined : (payload as Partial<JsonBytes>).json
    const given = json ?? payload
    if (!(given instanceof Uint8Array)) return wire
    const bytes = inOwnBuffer(given)
    transfers.push(bytes.buffer)
    return wire.with(PAYLOAD, json === undefined ? bytes : ({ json: bytes } satisfies JsonBytes)) as RunTuple
  })
  return { wires: own, transfers }
}

/** Where it is in a RunTuple. */
const PAYLOAD = 3
