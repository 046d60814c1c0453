/**
 * Log lines and standard output cross processes: the tests of `../thread-log.test.ts`, except those of the control side
 * alone, with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../thread-log.test.ts')
