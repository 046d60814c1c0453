/**
 * What a call costs more when it runs on another node. Two servers, each in a process of its own, know each other by a
 * fixed list. One client posts one call at a time, in turns to the node that runs the service and to the one that does
 * not. The result is the difference, and the CPU time of both processes for a call.
 *
 *     npm run bench -- hop [--rounds 15] [--calls 2000]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median, takeTurns } from './harness/rounds.ts'
import type { NodeReport, ToNode } from './servers/node.ts'

/** The aim: what a hop adds to a call, in microseconds. */
const MOST_US = 200
const BODY = '{"a":2,"b":3}'
const ANSWER = '{"sum":5}'
const WORKERS = fileURLToPath(new URL('./workers/', import.meta.url))

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { rounds: { type: 'string', default: '15' }, calls: { type: 'string', default: '2000' } },
})
const calls = Number(values.calls)
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

interface Node extends NodeReport {
  child: ChildProcess
}

async function start(folder: string, workers: string): Promise<Node> {
  await mkdir(folder)
  const child = fork(fileURLToPath(new URL('./servers/node.js', import.meta.url)), [folder, workers])
  const [report] = (await once(child, 'message')) as [NodeReport]
  return { ...report, child }
}

async function end({ child }: Node): Promise<void> {
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}

/** The CPU time that the process has used, in microseconds. */
async function cpuOf({ child }: Node): Promise<number> {
  child.send('cpu' satisfies ToNode)
  const [used] = (await once(child, 'message')) as [number]
  return used
}

function post(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length }
    const sent = request(`${url}/v1/services/adder/call/add`, { method: 'POST', agent, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => (text === ANSWER ? resolve() : reject(new Error(`${url} answered ${text}`))))
    })
    sent.on('error', reject)
    sent.end(BODY)
  })
}

const folder = await mkdtemp(join(tmpdir(), 'threadplane-hop-'))
const none = join(folder, 'no-workers')
await mkdir(none)
const runs = await start(join(folder, 'runs'), WORKERS)
const sends = await start(join(folder, 'sends'), none)
sends.child.send({ peers: [runs.node] } satisfies ToNode)

/** Microseconds of the client, and of the CPU of both nodes, for a call. */
async function measure({ url }: Node): Promise<{ us: number; cpuUs: number }> {
  const cpu = async () => (await cpuOf(runs)) + (await cpuOf(sends))
  const before = await cpu()
  const times: number[] = []
  for (let call = 0; call < calls; call += 1) {
    const since = performance.now()
    await post(url)
    times.push((performance.now() - since) * 1_000)
  }
  return { us: median(times), cpuUs: ((await cpu()) - before) / calls }
}

try {
  const turns = await takeTurns(
    [
      { name: 'here', measure: () => measure(runs) },
      { name: 'on another node', measure: () => measure(sends) },
    ],
    Number(values.rounds),
  )
  const here = turns.get('here') ?? []
  const there = turns.get('on another node') ?? []
  const more = (of: 'us' | 'cpuUs') => there.map((sample, round) => (sample?.[of] ?? 0) - (here[round]?.[of] ?? 0))
  const atHome = median(here.map((sample) => sample?.us ?? 0))
  const hopUs = median(more('us'))
  const spread = `${Math.round(Math.min(...more('us')))}–${Math.round(Math.max(...more('us')))}`
  console.log(`a call: ${Math.round(atHome)} µs on the node that is asked, one at a time`)
  console.log(`on another node: ${Math.round(hopUs)} µs more (${spread}), ${(hopUs / atHome).toFixed(2)} of a call`)
  console.log(`CPU of both nodes: ${Math.round(median(more('cpuUs')))} µs more for a call`)
  console.log(`aim: at most ${MOST_US} µs more: ${hopUs <= MOST_US ? 'met' : 'NOT MET'}`)
  if (hopUs > MOST_US) process.exitCode = 1
} finally {
  await Promise.all([end(runs), end(sends)])
  agent.destroy()
  await rm(folder, { recursive: true, force: true })
}
