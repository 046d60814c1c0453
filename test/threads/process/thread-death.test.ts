/**
 * The thread of a service dies with its process, or in it: the tests of `../thread-death.test.ts`, except those of the
 * control side alone, with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../thread-death.test.ts')
