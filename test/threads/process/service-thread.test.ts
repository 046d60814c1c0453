/**
 * The process of a service starts, stops and ends with its thread, and its heartbeat is reported by messages: the tests
 * of `../service-thread.test.ts`, except those of the control side alone, with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../service-thread.test.ts')
