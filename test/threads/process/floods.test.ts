/** What a service writes arrives in the log with `isolation: 'process'` too: the very same tests. */
process.env.TEST_ISOLATION = 'process'
await import('../floods.test.ts')
