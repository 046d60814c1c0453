/**
 * The report of a flood, and the progress of a method, cross processes: the tests of `../floods.test.ts`, except those
 * of the control side alone, with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../floods.test.ts')
