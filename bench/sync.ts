/**
 * Traces the system calls of single casts, and checks that no 202 is written to its client before the flush of its
 * record has returned (P2). Linux with `strace` only.
 *
 *     node dist/bench/sync.js [casts]
 */
import { spawnSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { launch } from './plane.ts'

export interface SyncReport {
  casts: number
  answered: number
  syncs: number
  /** Answers 202 that were written to a socket before the log with their record was flushed. */
  early: number
}

/** `id` of the job → whether the write of its record was seen, and the flush after it has returned. */
type Progress = 'written' | 'flushed'

export async function traceCasts(casts: number): Promise<SyncReport> {
  const folder = await mkdtemp(join(tmpdir(), 'threadplane-sync-'))
  const trace = join(folder, 'trace')
  const calls = 'trace=pwrite64,write,writev,fdatasync,fsync'
  // `-D`: the server itself is the child, and gets the signals. `-s`: texts are not cut, as the id of a job may be
  // anywhere in a written page.
  const prefix = ['strace', '-D', '-f', '--seccomp-bpf', '-q', '-y', '-s', '200000', '-e', calls, '-o', trace]
  const plane = await launch(join(folder, 'data'), { prefix })
  try {
    for (let count = 0; count < casts; count += 1) {
      const response = await fetch(`${plane.url}/v1/services/adder/cast/add`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"a":2,"b":3}',
      })
      if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
      await response.arrayBuffer()
    }
    await plane.stop()
    while (!(await readFile(trace, 'utf8')).endsWith('+++ exited with 0 +++\n')) await sleep(50)
    return { casts, ...(await read(trace)) }
  } finally {
    await plane.stop()
    await rm(folder, { recursive: true })
  }
}

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** Lines are in the order in which calls began or returned. A call interrupted by another thread has two lines. */
async function read(trace: string): Promise<Omit<SyncReport, 'casts'>> {
  const progress = new Map<string, Progress>()
  let written: string[] = []
  const flushing = new Map<string, string[]>()
  const report = { answered: 0, syncs: 0, early: 0 }
  for await (const line of createInterface({ input: createReadStream(trace) })) {
    const [thread = ''] = line.split(' ')
    if (/pwrite64\(\d+<[^>]*jobs\.sqlite-wal>/.test(line)) {
      for (const [id] of line.matchAll(ID)) {
        if (progress.has(id)) continue
        progress.set(id, 'written')
        written.push(id)
      }
    } else if (/f(?:data)?sync\(\d+<[^>]*jobs\.sqlite-wal>/.test(line)) {
      report.syncs += 1
      flushing.set(thread, written)
      written = []
      if (!line.includes('unfinished')) returned(thread)
    } else if (/<\.\.\. f(?:data)?sync resumed>/.test(line)) returned(thread)
    else if (/writev?\(\d+<(?:socket|TCP)/.test(line) && line.includes('HTTP/1.1 202')) {
      for (const id of new Set(Array.from(line.matchAll(ID), ([id]) => id))) {
        report.answered += 1
        if (progress.get(id) !== 'flushed') report.early += 1
      }
    }
  }
  return report

  function returned(thread: string): void {
    for (const id of flushing.get(thread) ?? []) progress.set(id, 'flushed')
    flushing.delete(thread)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (spawnSync('strace', ['-V']).error !== undefined)
    console.log('skipped: strace is missing (apt-get install strace)')
  else {
    const report = await traceCasts(Number(process.argv[2] ?? 2_000))
    console.log(report)
    const passed = report.early === 0 && report.answered === report.casts
    console.log(passed ? 'passed' : 'FAILED')
    process.exitCode = passed ? 0 : 1
  }
}
