/**
 * What somebody who sends wrong tokens costs others: a client with a right one calls at a fixed rate, while another one at
 * another address would send ten thousand wrong ones a second over its connections. The server answers it late, so that it
 * cannot. Rounds with it and without take turns at one server.
 *
 *     npm run bench -- tokens [--rounds 8] [--seconds 2]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median } from './harness/rounds.ts'
import type { Paced } from './paced-client.ts'
import { launch } from './plane.ts'

const CALLS_PER_SECOND = 1_000
const WRONG_PER_SECOND = 10_000
/** The aim: more than noise. */
const MOST_MEDIAN = 1.2
const RIGHT = 'right'.padEnd(64, '0')
/** Any address of the loopback network. */
const STRANGER = '127.0.0.2'

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { rounds: { type: 'string', default: '8' }, seconds: { type: 'string', default: '2' } },
})

const data = await mkdtemp(join(tmpdir(), 'threadplane-tokens-'))
const plane = await launch(data, { environment: { THREADPLANE_ADMIN_TOKEN: RIGHT } })
const path = `${plane.url}/v1/services/adder/call/add`
const program = fileURLToPath(new URL('./paced-client.js', import.meta.url))
const caller = fork(program, [path, RIGHT])
const stranger = fork(program, [path, 'wrong', STRANGER])

async function send(client: ChildProcess, perSecond: number): Promise<Paced> {
  client.send({ perSecond, seconds: Number(values.seconds) })
  const [paced] = (await once(client, 'message')) as [Paced]
  return paced
}

try {
  await send(caller, CALLS_PER_SECOND)
  const ratios: number[] = []
  let refused = 0
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const quiet = await send(caller, CALLS_PER_SECOND)
    const [attacked, wrong] = await Promise.all([send(caller, CALLS_PER_SECOND), send(stranger, WRONG_PER_SECOND)])
    if (quiet.failed + attacked.failed > 0) throw new Error('a call with the right token was refused')
    if (wrong.latenciesMs.length > 0) throw new Error('a wrong token was not refused')
    refused += wrong.failed
    ratios.push(median(attacked.latenciesMs) / median(quiet.latenciesMs))
  }
  const seconds = Number(values.rounds) * Number(values.seconds)
  console.log(`wrong tokens due a second: ${Math.round(refused / seconds)}`)
  const each = ratios.map((one) => one.toFixed(2)).join(' ')
  console.log(`median latency of a call, with wrong tokens ÷ without: ${median(ratios).toFixed(2)} (${each})`)
  const kept = median(ratios) <= MOST_MEDIAN
  console.log(kept ? 'kept' : 'NOT kept')
  process.exitCode = kept ? 0 : 1
} finally {
  caller.disconnect()
  stranger.disconnect()
  await plane.kill()
  await rm(data, { recursive: true })
}
