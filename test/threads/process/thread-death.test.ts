/** Who may cost whom what is no other matter with `isolation: 'process'` too: the very same tests. */
process.env.TEST_ISOLATION = 'process'
await import('../thread-death.test.ts')
