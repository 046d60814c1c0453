/** The limits of rates, with times that the test chooses. */
import t from 'tap'
import { RateLimit } from '../../src/auth/rate-limit.ts'
import { WrongTokens } from '../../src/auth/wrong-tokens.ts'

t.test('as many requests as the burst pass at once; then one in each interval', async (t) => {
  const limit = new RateLimit({ requests: 600, perSeconds: 60, burst: 3 })
  t.equal(limit.policy, '"token";q=600;w=60')
  t.equal(limit.state(0), '"token";r=3;t=0')
  for (let n = 0; n < 3; n += 1) t.equal(limit.take(0), 0)
  t.equal(limit.state(0), '"token";r=0;t=1')
  t.equal(limit.take(0), 100, 'milliseconds until the next one')
  t.equal(limit.take(50), 50, 'a refused request uses nothing up')
  t.equal(limit.take(100), 0)
  t.equal(limit.take(100), 100)
  t.equal(limit.state(1_000), '"token";r=3;t=0')
})

t.test('without a burst as many requests as the quota may come at once', async (t) => {
  for (const [requests, perSeconds] of [
    [3, 1],
    [7, 60],
    [1, 86_400],
  ] as const) {
    const limit = new RateLimit({ requests, perSeconds })
    for (const start of [0, 1e9 / 7]) {
      for (let n = 0; n < requests; n += 1) t.equal(limit.take(start), 0)
      t.ok(limit.take(start) > 0)
    }
  }
})

t.test('after 20 wrong tokens in a minute an address waits for its end', async (t) => {
  const wrong = new WrongTokens()
  for (let n = 0; n < 20; n += 1) t.equal(wrong.add('192.0.2.1', n), 0)
  t.equal(wrong.add('192.0.2.1', 10_000), 50_000)
  t.equal(wrong.add('192.0.2.2', 10_000), 0, 'another address')
  t.equal(wrong.add('192.0.2.1', 60_000), 0, 'the next minute')
})

t.test('the IPv6 addresses of one network are one client', async (t) => {
  const wrong = new WrongTokens()
  for (let n = 0; n < 20; n += 1) wrong.add(`2001:db8:1:2:${n}::1`, 0)
  t.ok(wrong.add('2001:db8:1:2::1', 0) > 0)
  t.equal(wrong.add('2001:db8:1:3::1', 0), 0)
  for (let n = 0; n < 20; n += 1) wrong.add('::ffff:192.0.2.1', 0)
  t.equal(wrong.add('::ffff:192.0.2.2', 0), 0, 'IPv4 addresses stay apart')
})
