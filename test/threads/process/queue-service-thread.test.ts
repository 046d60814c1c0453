/**
 * Calls and results are serialised between processes, and which methods have begun is agreed upon by files: the tests
 * of `../queue-service-thread.test.ts`, except those of the control side alone, with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../queue-service-thread.test.ts')
