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
  /** Jobs that were acknowledged and are intact in the log, and that the journal does not have. */
  lost: number
  /** Jobs that are incomplete or changed. */
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

/** @param step cuts the log at every `step`th byte */
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
      // A new file each time: the binding keeps the lock of a file until its statements are garbage collected.
      const copy = join(folder, String(report.damages))
      copyFileSync(image, copy)
      writeFileSync(`${copy}-wal`, damaged)
      inspect(copy, ids, intact ? ids.length : JOBS, report)
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
  const passed = report.lost + report.wrong + report.refusedToOpen === 0
  console.log(passed ? 'passed' : 'FAILED')
  process.exitCode = passed ? 0 : 1
}
