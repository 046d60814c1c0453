/** A method that never gives its thread back, one that allocates, and one that blocks the thread in native code. */
import { defineService, method } from 'threadplane/service'

function spin(): void {
  for (;;) Math.sqrt(2)
}

function allocate(): number {
  let kept: object[] = []
  for (let n = 0; n < 200_000; n += 1) {
    kept.push({ n, text: `item ${n}` })
    if (kept.length > 1_000) kept = []
  }
  return kept.length
}

export default defineService({
  shutdownTimeoutMs: 1,
  restart: { backoffMs: 1, backoffMaxMs: 1 },
  methods: {
    spin: method({
      timeoutMs: 1_000_000,
      handler: (_payload, { logger }) => {
        logger.info('spins')
        setImmediate(spin)
        return new Promise(() => {})
      },
    }),
    allocate: method({ handler: allocate }),
    sleepNative: method({
      timeoutMs: 1_000_000,
      handler: (payload, { logger }) => {
        logger.info('sleeps')
        const { path } = payload as { path: string }
        // A pipe without a writer: this returns when the test opens it.
        setImmediate(() => process.getBuiltinModule('fs').openSync(path, 'r'))
        return new Promise(() => {})
      },
    }),
  },
})
