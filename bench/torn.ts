/**
 * Cuts the write-ahead log off at every byte of its last transaction, and appends garbage and zeroes to it. Each time
 * the journal must open, and hold every acknowledged job that is intact in the log (P2).
 *
 *     node dist/bench/torn.js [step]
 */
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { JobPage } from '../src/jobs/job-store.ts'
import { type JournalOperation, type JournalOperations, type TakenRow, toAcceptRow } from '../src/sqlite/messages.ts'
import { OpenJournal } from '../src/sqlite/open-journal.ts'
import { uuidv7 } from '../src/contract/uuidv7.ts'
import { request } from '../test/sqlite/jobs.ts'

const JOBS = 20
const LIMITS = { keepJobsMs: 3_600_000, maxFinishedJobs: 1_000 }

setFlagsFromString('--expose-gc')

export interface TornReport {
  /** How many damaged logs were opened. */
  damages: number
  bytesOfTheLast: number
  /** Jobs that were acknowledged and are intact in the log, and that the journal does not have. */
  lost: number
  /** Jobs that are incomplete or changed. */
  wrong: number
  refusedToOpen: number
}

/** Runs an operation in a transaction of its own. */
function ask<Operation extends JournalOperation>(
  journal: OpenJournal,
  operation: Operation,
  ...args: Parameters<JournalOperations[Operation]>
): ReturnType<JournalOperations[Operation]> {
  const { replies, failure } = journal.commit([[1, operation, args]])
  const [, value, error] = replies[0] ?? []
  if (failure !== undefined || error !== undefined) throw new Error(`${operation} failed`, { cause: failure ?? error })
  return value as ReturnType<JournalOperations[Operation]>
}

/** @param step cuts the log at every `step`th byte */
export async function tearEverywhere(step: number): Promise<TornReport> {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-torn-'))
  const report = { damages: 0, bytesOfTheLast: 0, lost: 0, wrong: 0, refusedToOpen: 0 }
  try {
    const file = join(folder, 'jobs.sqlite')
    const journal = new OpenJournal(file, LIMITS)
    const ids = Array.from({ length: JOBS }, () => accept(journal))
    const before = statSync(`${file}-wal`).size
    ids.push(accept(journal))
    const log = readFileSync(`${file}-wal`)
    report.bytesOfTheLast = log.length - before
    const image = join(folder, 'image')
    copyFileSync(file, image)
    journal.close()

    for (const { damaged, intact } of damages(log, before, step)) {
      report.damages += 1
      // A new file each time: the binding keeps the lock of a file until its statements are garbage collected.
      const copy = join(folder, String(report.damages))
      copyFileSync(image, copy)
      writeFileSync(`${copy}-wal`, damaged)
      inspect(copy, ids, intact ? ids.length : JOBS, report)
      for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true })
      if (report.damages % 100 === 0) await collectGarbage()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return report
}

const gc = runInNewContext('gc') as () => void

async function collectGarbage(): Promise<void> {
  gc()
  await sleep(0)
}

function* damages(log: Buffer, before: number, step: number): Generator<{ damaged: Buffer; intact: boolean }> {
  for (let end = before; end < log.length; end += step) {
    const torn = log.subarray(0, end)
    yield { damaged: torn, intact: false }
    // As a file system leaves a file that it has extended and not written to.
    if (end % (8 * step) === 0) yield { damaged: Buffer.concat([torn, Buffer.alloc(log.length - end)]), intact: false }
  }
  yield { damaged: log, intact: true }
  for (const size of [1, 24, 4_096, 4_120, 40_000]) {
    yield { damaged: Buffer.concat([log, randomBytes(size)]), intact: true }
    yield { damaged: Buffer.concat([log, Buffer.alloc(size)]), intact: true }
    // Old frames, which stay in a log that is reused from its start.
    yield { damaged: Buffer.concat([log, log.subarray(32, 32 + size)]), intact: true }
  }
}

function inspect(file: string, ids: string[], acknowledged: number, report: TornReport): void {
  try {
    const journal = new OpenJournal(file, LIMITS)
    const found = ids.map((id) => ask(journal, 'get', id))
    const rows: TakenRow[] = ask(journal, 'take', 'mail', ids.length, 1_000_000)
    const taken = new Map(rows.map((row) => [row[1], row[3]]))
    report.lost += found.slice(0, acknowledged).filter((job) => job === undefined).length
    report.wrong += ids.filter((id, index) => (found[index] === undefined) !== (idIn(taken.get(id)) !== id)).length
    const { items }: JobPage = ask(journal, 'list', { limit: ids.length })
    if (items.length !== taken.size) report.wrong += 1
    if (ask(journal, 'get', accept(journal)) === undefined) report.wrong += 1
    journal.close()
  } catch {
    report.refusedToOpen += 1
  }
}

function accept(journal: OpenJournal): string {
  const id = uuidv7()
  const payload = JSON.stringify({ id, text: 'x'.repeat(1_000) })
  ask(journal, 'accept', [toAcceptRow(request({ id, payload }))])
  return id
}

function idIn(payload: string | undefined): string | undefined {
  return payload && (JSON.parse(payload) as { id: string }).id
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const report = await tearEverywhere(Number(process.argv[2] ?? 1))
  console.log(report)
  const passed = report.lost + report.wrong + report.refusedToOpen === 0
  console.log(passed ? 'passed' : 'FAILED')
  process.exitCode = passed ? 0 : 1
}
