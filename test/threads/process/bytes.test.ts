/**
 * Bytes are copied from process to process: the tests of `../bytes.test.ts`, except those of the control side alone,
 * with `isolation: 'process'`.
 */
process.env.TEST_ISOLATION = 'process'
await import('../bytes.test.ts')
