/** A method for each way in which a method can go wrong, and methods that run beside them. */
import { execSync } from 'node:child_process'
import { BroadcastChannel, parentPort } from 'node:worker_threads'
import { defineService, type MethodContext, method } from 'threadplane/service'
import { z } from 'zod'

const attempts = { backoffMs: 1, backoffMaxMs: 2 }
/** For methods that would never end. */
const soon = { ...attempts, timeoutMs: 100 }
const never = () => new Promise<never>(() => {})

const channel = new BroadcastChannel('open gate')
;(channel as unknown as NodeJS.Timeout).unref()

/** Ends when the test broadcasts its token, which it does repeatedly, as each attempt may run in a new thread. */
const hold = ({ token }: { token: string }, { signal, logger }: MethodContext) =>
  new Promise<string>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    channel.addEventListener('message', (event) => {
      if ((event as { data?: unknown }).data === token) resolve(token)
    })
    logger.info({ token }, 'begun')
  })
const token = z.object({ token: z.string() })

export default defineService({
  numWorkers: 3,
  cancelGraceMs: 20,
  restart: { maxRestarts: 100_000, backoffMs: 1, backoffMaxMs: 20 },
  methods: {
    echo: method({ handler: (value) => value }),
    hold: method({ ...attempts, input: token, handler: hold }),
    holdBriefly: method({ ...attempts, timeoutMs: 300, input: token, handler: hold }),

    throws: method({
      ...attempts,
      handler: () => {
        throw new TypeError('no such luck')
      },
    }),
    throwsNull: method({
      ...attempts,
      handler: () => {
        throw null
      },
    }),
    rejects: method({
      ...attempts,
      handler: () => {
        void Promise.reject(new Error('rejected by nobody'))
        return never()
      },
    }),
    exits: method({ ...attempts, handler: () => process.exit(3) }),

    loops: method({
      ...soon,
      handler: () => {
        for (;;);
      },
    }),
    waits: method({
      ...soon,
      handler: () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      },
    }),
    backtracks: method({ ...soon, handler: () => /^(a+)+$/.test(`${'a'.repeat(60)}!`) }),
    sleeps: method({
      ...soon,
      handler: () => {
        execSync('sleep 5')
      },
    }),

    returnsFunction: method({ ...attempts, handler: () => () => {} }),
    returnsProxy: method({ ...attempts, handler: () => new Proxy({ real: true }, {}) }),
    returnsHostileProxy: method({
      ...attempts,
      handler: () => {
        const refuse = () => {
          throw new Error('no trap lets anything through')
        }
        return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getPrototypeOf: refuse })
      },
    }),
    returnsGetter: method({
      ...attempts,
      handler: () => ({
        get bad(): never {
          throw null
        },
      }),
    }),
    returnsCycle: method({
      ...attempts,
      handler: () => {
        const cycle: Record<string, unknown> = {}
        cycle.self = cycle
        return cycle
      },
    }),
    returnsDeep: method({
      ...attempts,
      handler: () => {
        let deep: unknown[] = []
        for (let depth = 0; depth < 100_000; depth += 1) deep = [deep]
        return deep
      },
    }),
    returnsHuge: method({ ...attempts, handler: () => 'x'.repeat(100_000_000) }),

    floodsMessages: method({
      ...attempts,
      handler: () => {
        for (;;) parentPort?.postMessage('flood')
      },
    }),
    floodsStdout: method({
      ...attempts,
      handler: () => {
        for (;;) process.stdout.write('flood\n'.repeat(1_000))
      },
    }),
    floodsLog: method({
      ...attempts,
      handler: (_payload, { logger }) => {
        for (;;) logger.info({ flood: true }, 'flood')
      },
    }),
  },
})
