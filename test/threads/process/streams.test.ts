/** Streams are no other matter with `isolation: 'process'`: the very same tests. */
process.env.TEST_ISOLATION = 'process'
await import('../streams.test.ts')
