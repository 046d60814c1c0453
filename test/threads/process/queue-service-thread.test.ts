/** All that is promised of calls, casts and the queue is promised with `isolation: 'process'` too: the very same tests. */
process.env.TEST_ISOLATION = 'process'
await import('../queue-service-thread.test.ts')
