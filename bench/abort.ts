/**
 * Aborts the server again and again under its launcher: measures how soon it is ready again, on its port, and checks
 * that all casts are still there (P4).
 *
 *     node dist/bench/abort.js
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch } from './plane.ts'

/** The launcher restarts a server no more often within a minute. */
const ROUNDS = 5
const LINES = 1_000
const READY_WITHIN_MS = 2_000
const DEADLINE_MS = 60_000

const data = await mkdtemp(join(tmpdir(), 'threadplane-abort-'))
const plane = await launch(data, { supervised: true })
try {
  const acknowledged: string[] = []
  const readyMs: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const casts = '{"a":2,"b":3}\n'.repeat(LINES)
    const response = await plane.send('/v1/services/adder/cast/add', casts, 'application/x-ndjson')
    const { items } = (await response.json()) as { items: { job: { id: string } }[] }
    acknowledged.push(...items.map(({ job }) => job.id))

    const pid = plane.serverPid as number
    const since = performance.now()
    process.kill(pid, 'SIGABRT')
    while (plane.serverPid === pid || !(await plane.isReady())) {
      if (performance.now() - since > DEADLINE_MS)
        throw new Error(`not ready ${DEADLINE_MS} ms after SIGABRT to ${pid}`)
      await sleep(5)
    }
    readyMs.push(Math.round(performance.now() - since))
  }
  let lost = 0
  for (const id of acknowledged) if ((await plane.send(`/v1/jobs/${id}`)).status !== 200) lost += 1
  console.log({ acknowledged: acknowledged.length, lost, readyMs })
  const passed = lost === 0 && Math.max(...readyMs) <= READY_WITHIN_MS
  console.log(passed ? 'passed' : 'FAILED')
  process.exitCode = passed ? 0 : 1
} finally {
  await plane.stop()
  await rm(data, { recursive: true })
}
