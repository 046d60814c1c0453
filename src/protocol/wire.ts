/**
 * How messages are encoded between threads and processes: the frequent ones as tuples, all others as they are.
 * Structured clone copies the keys of an object with every message, so an object costs three times as much as a tuple.
 * Pure.
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
/** The index of the payload in a {@link RunTuple}. */
const PAYLOAD = 3
export type ResultTuple = [slot: number, sequence: number, value: unknown, ranUs: number]
/** The method goes on, so that the place of `ranUs` is not used. */
export type ItemTuple = [slot: number, sequence: number, value: unknown, ranUs: 0, cost: number]

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
  return { type: 'run', slot, sequence, method, payload, format, job, contentType, begunAt: 0 }
}

export function packThread(message: ThreadMessage): ThreadWire {
  switch (message.type) {
    case 'result':
      return [message.slot, message.sequence, message.value, message.ranUs]
    case 'item':
      return [message.slot, message.sequence, message.value, 0, message.cost]
    default:
      return message
  }
}

/** The buffers to transfer with these messages: they are detached on this side. */
export function transfersOf(messages: readonly (ControlMessage | ThreadMessage)[]): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = []
  for (const message of messages) {
    if ((message.type === 'run' || message.type === 'result') && message.transfer !== undefined) {
      buffers.push(message.transfer)
    }
  }
  return buffers
}

/** Bytes that fill their whole buffer, so that it can be transferred: a copy if they are part of a larger buffer. */
export function inOwnBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) return bytes as Uint8Array<ArrayBuffer>
  const own = Buffer.allocUnsafeSlow(byteLength)
  own.set(bytes)
  return own
}

/**
 * Prepares messages that came from another process for a thread. Node gives each payload of bytes as a view of the
 * buffer with everything that the channel has read. The thread gets the bytes of its payload alone, in a buffer of
 * their own.
 */
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
