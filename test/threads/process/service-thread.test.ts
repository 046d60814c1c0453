/** All that a ServiceThread does, it does with `isolation: 'process'` too: the very same tests. */
process.env.TEST_ISOLATION = 'process'
await import('../service-thread.test.ts')
