/** A service in a process of its own cannot end its server by a signal either: the tests of `../signals.test.ts`. */
process.env.TEST_ISOLATION = 'process'
await import('../signals.test.ts')
