/**
 * The last transaction of the write-ahead log torn at every byte, and garbage and zeroes after it: the journal opens and
 * has all that was acknowledged and is intact (P2).
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
import { JournalAcceptance } from '../src/sqlite/accept.ts'
import { JournalDatabase } from '../src/sqlite/transitions.ts'
import { JournalFile } from '../src/sqlite/database-file.ts'
import { JournalLists } from '../src/sqlite/lists.ts'
import { toAcceptRow } from '../src/sqlite/messages.ts'
import { uuidv7 } from '../src/contract/uuidv7.ts'
import { request } from '../test/sqlite/jobs.ts'

const JOBS = 20

setFlagsFromString('--expose-gc')

export interface TornReport {
  /** Ways in which the log was damaged. */
  damages: number
  bytesOfTheLast: number
  /** Acknowledged, intact in the log, and not there. */
  lost: number
  /** There in part, or not as they were. */
  wrong: number
  refusedToOpen: number
}

interface Opened {
  file: JournalFile
  lists: JournalLists
  jobs: JournalDatabase
  acceptance: JournalAcceptance
}

function open(path: string): Opened {
  const file = new JournalFile(path)
  const lists = new JournalLists(file)
  const jobs = new JournalDatabase(file, lists)
  return { file, lists, jobs, acceptance: new JournalAcceptance(file, (id) => jobs.get(id)) }
}

/** @param step tears at every so many bytes */
export async function tearEverywhere(step: number): Promise<TornReport> {
  const folder = mkdtempSync(join(tmpdir(), 'threadplane-torn-'))
  const report = { damages: 0, bytesOfTheLast: 0, lost: 0, wrong: 0, refusedToOpen: 0 }
  try {
    const file = join(folder, 'jobs.sqlite')
    const db = open(file)
    const ids = Array.from({ length: JOBS }, () => accept(db))
    const before = statSync(`${file}-wal`).size
    ids.push(accept(db))
    const log = readFileSync(`${file}-wal`)
    report.bytesOfTheLast = log.length - before
    const image = join(folder, 'image')
    copyFileSync(file, image)
    db.file.close()

    for (const { damaged, intact } of damages(log, before, step)) {
      report.damages += 1
      // A file of its own each: the binding keeps a lock until the statements of the one before are collected.
      const copy = join(folder, String(report.damages))
      copyFileSync(image, copy)
      writeFileSync(`${copy}-wal`, damaged)
      look(copy, ids, intact ? ids.length : JOBS, report)
      for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true })
      if (report.damages % 100 === 0) await collect()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return report
}

const gc = runInNewContext('gc') as () => void

async function collect(): Promise<void> {
  gc()
  await sleep(0)
}

function* damages(log: Buffer, before: number, step: number): Generator<{ damaged: Buffer; intact: boolean }> {
  for (let end = before; end < log.length; end += step) {
    const torn = log.subarray(0, end)
    yield { damaged: torn, intact: false }
    // As a file system leaves it that has extended the file, and not written to it.
    if (end % (8 * step) === 0) yield { damaged: Buffer.concat([torn, Buffer.alloc(log.length - end)]), intact: false }
  }
  yield { damaged: log, intact: true }
  for (const size of [1, 24, 4_096, 4_120, 40_000]) {
    yield { damaged: Buffer.concat([log, randomBytes(size)]), intact: true }
    yield { damaged: Buffer.concat([log, Buffer.alloc(size)]), intact: true }
    // Frames of an older time, as they stay in a log that is written anew from its start.
    yield { damaged: Buffer.concat([log, log.subarray(32, 32 + size)]), intact: true }
  }
}

function look(file: string, ids: string[], acknowledged: number, report: TornReport): void {
  try {
    const db = open(file)
    const there = ids.map((id) => db.jobs.get(id))
    const taken = new Map(db.jobs.take('mail', ids.length, 1_000_000).map((row) => [row[1], row[3]]))
    report.lost += there.slice(0, acknowledged).filter((job) => job === undefined).length
    report.wrong += ids.filter((id, index) => (there[index] === undefined) !== (idIn(taken.get(id)) !== id)).length
    const { items } = db.lists.list({ limit: ids.length })
    if (items.length !== taken.size) report.wrong += 1
    if (db.jobs.get(accept(db)) === undefined) report.wrong += 1
    db.file.close()
  } catch {
    report.refusedToOpen += 1
  }
}

function accept({ file, acceptance }: Opened): string {
  const id = uuidv7()
  const payload = JSON.stringify({ id, text: 'x'.repeat(1_000) })
  file.begin()
  acceptance.accept([toAcceptRow(request({ id, payload }))])
  file.commit()
  return id
}

function idIn(payload: string | undefined): string | undefined {
  return payload && (JSON.parse(payload) as { id: string }).id
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const report = await tearEverywhere(Number(process.argv[2] ?? 1))
  console.log(report)
  const kept = report.lost + report.wrong + report.refusedToOpen === 0
  console.log(kept ? 'kept' : 'NOT KEPT')
  process.exitCode = kept ? 0 : 1
}
