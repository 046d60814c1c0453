/**
 * The items of a stream cross processes: the tests of `../streams.test.ts`, except those of the control side alone,
 * with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../streams.test.ts')
