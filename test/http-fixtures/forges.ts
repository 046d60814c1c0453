/** Posts messages of its own, past the guard of `parentPort`: what it is told to post by the index of the message. */
import { MessagePort, parentPort } from 'node:worker_threads'
import { defineService, method } from 'threadplane/service'
import { z } from 'zod'

const post = (message: unknown) => MessagePort.prototype.postMessage.call(parentPort as MessagePort, message)

const error = { name: 'Error', message: 'forged' }
const description = { options: {}, methods: {} }

/** Messages of a wrong form: the thread that posts one is ended. */
export const FORGED: Record<string, unknown> = {
  null: null,
  undefined,
  text: 'text',
  number: 1,
  object: {},
  'an error of a process': { type: 'error', error: null },
  'a report of a process': { type: 'report' },
  'an end of a process': { type: 'ended', exitCode: 'none' },
  'a list of null': [null],
  'a list of text': ['text'],
  'an unknown type': [{ type: 'nonsense' }],
  'a type that is no text': [{ type: { toString: 1 } }],
  'a log line of an unknown level': [{ type: 'log', level: 'constructor', message: 'forged' }],
  'a log line without a level': [{ type: 'log', message: 'forged' }],
  'a log line without a message': [{ type: 'log', level: 'info' }],
  'a log line with fields that are no text': [{ type: 'log', level: 'info', message: 'forged', fields: {} }],
  'a log line with a number of dropped lines that is none': [
    { type: 'log', level: 'info', message: 'forged', dropped: '3' },
  ],
  'a log line that is too long': [{ type: 'log', level: 'info', message: 'x'.repeat(100_000) }],
  'a crash without an error': [{ type: 'crashed', error: null }],
  'a crash with a wrong cause': [{ type: 'crashed', error: { ...error, cause: 'text' } }],
  'a crash with wrong facts': [{ type: 'crashed', error: { ...error, code: 'QUEUE_FULL', facts: { errors: 1 } } }],
  'a stop with a wrong error': [{ type: 'stopped', error: 7 }],
  'no description': [{ type: 'described' }],
  'a description without methods': [{ type: 'described', description: { ...description, methods: null } }],
  'an empty tuple': [[]],
  'a tuple of null': [[null, null, null, null]],
  'a tuple with a negative slot': [[-1, 1, 'x', 0]],
  'a tuple with a far slot': [[1e9, 1, 'x', 0]],
  'a tuple with a slot that is no number': [['__proto__', 1, 'x', 0]],
  'a result after a negative time': [[0, 1, 'x', -1]],
  'a result after no time': [[0, 1, 'x', Number.NaN]],
  'an item with a negative size': [[0, 1, 'x', 0, -5]],
  'an item without a size': [[0, 1, 'x', 0, Number.NaN]],
  'a failure without a reason': [{ type: 'failure', slot: 0, sequence: 1, ranUs: 0 }],
  'a failure of an unknown kind': [{ type: 'failure', slot: 0, sequence: 1, ranUs: 0, failure: { kind: 'odd' } }],
  'a failure with a wrong error': [
    { type: 'failure', slot: 0, sequence: 1, ranUs: 0, failure: { kind: 'threw', error: null, retryable: true } },
  ],
  'a failure with wrong issues': [
    { type: 'failure', slot: 0, sequence: 1, ranUs: 0, failure: { kind: 'refused', issues: [null] } },
  ],
  'a problem with the status 200': [
    {
      type: 'failure',
      slot: 0,
      sequence: 1,
      ranUs: 0,
      failure: { kind: 'problem', problem: { status: 200, message: 'x' } },
    },
  ],
  'a progress of a wrong fraction': [{ type: 'progress', slot: 0, sequence: 1, fraction: 'half' }],
}

/** Messages of the right form that mean nothing: they are ignored. */
export const MEANINGLESS: Record<string, unknown> = {
  'an empty list': [],
  'a result of a call never made': [[0, 2 ** 30, 'x', 0]],
  'a second description': [{ type: 'described', description }],
  'a second start': [{ type: 'started' }],
  'a log line with fields that are not JSON': [{ type: 'log', level: 'info', message: 'forged', fields: '{' }],
}

export default defineService({
  restart: { maxRestarts: 1_000, backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    echo: method({ handler: (value) => value }),
    post: method({
      input: z.object({ name: z.string() }),
      handler: ({ name }) => {
        post({ ...FORGED, ...MEANINGLESS }[name])
        return new Promise<null>((resolve) => setTimeout(resolve, name in MEANINGLESS ? 0 : 10_000, null))
      },
    }),
    /** Answers a call over HTTP with a value that is not JSON text. */
    answer: method({
      handler: () => {
        // A thread has numWorkers and prefetch slots.
        const numbers = Array.from({ length: 2 + 64 }, (_, number) => number)
        post(numbers.flatMap((slot) => numbers.map((sequence) => [slot, sequence, { no: 'text' }, 0])))
        return new Promise<null>((resolve) => setTimeout(resolve, 10_000, null))
      },
    }),
  },
})
