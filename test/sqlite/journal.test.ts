/** The journal in its thread: what survives the end of the process, who may open the file, and what is refused. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DatabaseSync } from '@photostructure/sqlite'
import t, { type Test } from 'tap'
import type { Journal, JournalOptions } from '../../src/sqlite/journal.ts'
import { timings } from '../../src/sqlite/timings.ts'
import { accept, eventually, kill, log, openJournal } from './jobs.ts'

timings.retainEveryMs = 20

/** A journal in a folder of its own, closed when the test ends. */
async function fresh(t: Test, options: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = await openJournal(t.testdir(), options)
  t.teardown(() => journal.close())
  return journal
}

/** Starts a process that fills the journal of a folder. Answers what it had reported to be on disk after so many lines. */
async function holder(
  t: Test,
  folder: string,
  lineCount: number,
): Promise<{ child: ChildProcess; reported: Map<string, string> }> {
  const program = fileURLToPath(new URL('../fixtures/journal-holder.js', import.meta.url))
  const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const reported = new Map<string, string>()
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const enough = new Promise<void>((resolve) => {
    let count = 0
    lines.on('line', (line) => {
      const [what = '', id] = line.split(' ')
      if (id !== undefined) reported.set(id, what)
      count += 1
      if (count === lineCount) resolve()
    })
  })
  await Promise.race([enough, once(child, 'exit')])
  return { child, reported }
}

t.test('a journal whose file is not at its path any more acknowledges nothing, and begins anew', async (t) => {
  const usual = timings.retryEveryMs
  timings.retryEveryMs = 20
  t.teardown(() => {
    timings.retryEveryMs = usual
  })
  const parent = t.testdir({ data: {} })
  const folder = join(parent, 'data')
  const file = join(folder, 'jobs.sqlite')
  const errors: string[] = []
  const journal = await openJournal(folder, { log: { ...log, error: (line: string) => errors.push(line) } as never })
  t.teardown(() => journal.close())
  const moves: [what: string, move: () => void][] = [
    ['the folder is moved', () => renameSync(folder, join(parent, 'moved'))],
    ['the folder is deleted', () => rmSync(folder, { recursive: true })],
    ['the file is replaced', () => renameSync(file, `${file}-before`)],
    ['the log is deleted', () => rmSync(`${file}-wal`)],
  ]
  const kept: string[] = []
  for (const [what, move] of moves) {
    kept.push((await accept(journal)).id)
    move()
    await t.rejects(accept(journal), { code: 'JOURNAL_UNAVAILABLE', message: /not at its path/ }, what)
    // The next try to open it may have failed already, and have said why.
    t.ok(
      errors.splice(0).some((line) => /not at its path any more/.test(line)),
      `${what}: it is logged`,
    )
    await eventually(() => journal.isWritable)
    t.match(await journal.get((await accept(journal)).id), { state: 'queued' }, 'it accepts again')
  }
  t.match(await journal.get(kept[3] as string), { state: 'queued' }, 'no job is lost with the log')
  const moved = await openJournal(join(parent, 'moved'))
  t.teardown(() => moved.close())
  t.match(await moved.get(kept[0] as string), { state: 'queued' }, 'no job is lost with the move')
})

t.test('an attempt that runs while the file is moved keeps its outcome, and is not counted as ended', async (t) => {
  const usual = timings.retryEveryMs
  timings.retryEveryMs = 20
  t.teardown(() => {
    timings.retryEveryMs = usual
  })
  const folder = join(t.testdir({ data: {} }), 'data')
  const journal = await openJournal(folder)
  t.teardown(() => journal.close())
  const running = await Promise.all(Array.from({ length: 3 }, () => accept(journal, { begin: true })))
  const [first, second, third] = running.map(({ id }) => id) as [string, string, string]
  const finish = (id: string) => journal.finish(id, 1, { state: 'succeeded', result: '1' })

  rmSync(join(folder, 'jobs.sqlite-wal'))
  const finished = finish(first)
  await eventually(() => !journal.isWritable)
  t.equal(await finished, true, 'an outcome that comes with the move is written to the file that is opened next')
  await eventually(() => journal.isWritable)
  t.match(await journal.get(second), { state: 'running', attempts: 1, history: { length: 1 } })
  t.equal(await finish(second), true)
  t.match(await journal.get(first), { state: 'succeeded', attempts: 1 })

  rmSync(folder, { recursive: true })
  t.equal(await finish(third), false, 'its job is gone with the folder')
  t.match(await journal.get(third), undefined)
})

t.test('while outcomes wait for the file, casts are refused at once', async (t) => {
  const usual = timings.retryEveryMs
  timings.retryEveryMs = 600_000
  t.teardown(() => {
    timings.retryEveryMs = usual
  })
  const folder = t.testdir()
  const journal = await openJournal(folder)
  const running = await Promise.all(Array.from({ length: 2 }, () => accept(journal, { begin: true })))
  rmSync(join(folder, 'jobs.sqlite-wal'))
  const outcomes: Promise<unknown>[] = []
  for (const { id } of running) {
    outcomes.push(journal.finish(id, 1, { state: 'succeeded', result: '1' }).catch((error: unknown) => error))
    // Alone in its batch.
    await nextTurn()
    await t.rejects(accept(journal), { code: 'JOURNAL_UNAVAILABLE' })
  }
  await journal.close()
  t.match(await Promise.all(outcomes), [{ code: 'JOURNAL_UNAVAILABLE' }, { code: 'JOURNAL_UNAVAILABLE' }])
})

t.test('after kill -9 every acknowledged job is there, and the attempts that were running count', async (t) => {
  const folder = t.testdir()
  const { child, reported } = await holder(t, folder, 300)
  await kill(child)
  const journal = await openJournal(folder)
  t.teardown(() => journal.close())
  t.ok(reported.size >= 299)
  for (const [id, what] of reported) {
    const job = await journal.get(id)
    if (what === 'accepted') t.match(job, { state: 'queued', attempts: 0 })
    else {
      const history = [{ number: 1, endedAt: String, error: { code: 'THREAD_DIED', reason: 'SERVER_ENDED' } }]
      t.match(job, { state: 'scheduled', attempts: 1, history })
    }
  }
})

t.test('a second process on the folder is told which process uses it', async (t) => {
  const folder = t.testdir()
  const { child } = await holder(t, folder, 10)
  const message = new RegExp(`in use by process ${child.pid} on .+, since \\d{4}-.+one process at a time`)
  await t.rejects(openJournal(folder), { message })
  await kill(child)
  const journal = await openJournal(folder)
  await journal.close()
})

t.test('a file of a newer version is refused, and the error says so', async (t) => {
  const folder = t.testdir()
  await (await openJournal(folder)).close()
  const db = new DatabaseSync(join(folder, 'jobs.sqlite'))
  db.exec('PRAGMA user_version = 99')
  db.close()
  const error = (await t.rejects(openJournal(folder))) as unknown as Error
  t.match(error.cause, { message: /newer version of threadplane \(schema 99; this one knows \d+\)/ })
})

t.test('a damaged file is refused, and the error says what to do', async (t) => {
  const folder = t.testdir()
  await writeFile(join(folder, 'jobs.sqlite'), Buffer.alloc(20_000, 'garbage '))
  await t.rejects(openJournal(folder), { message: /is damaged: restore it from a backup, or move it away/ })
})

t.test('one operation that fails is refused alone, and not the others that were posted with it', async (t) => {
  const journal = await fresh(t)
  const first = await accept(journal)
  const results = await Promise.allSettled([
    accept(journal),
    accept(journal, { id: first.id }),
    journal.requeue('unknown'),
    accept(journal),
  ])
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  t.match(results[2], { reason: { code: 'JOB_NOT_FOUND' } })
  t.equal((await journal.list({ limit: 10 })).items.length, 3)
})

t.test('the thread forgets old jobs by the clock, again and again', async (t) => {
  const journal = await fresh(t, { keepJobsMs: 0 })
  for (let times = 0; times < 2; times += 1) {
    const { id } = await accept(journal, { begin: true })
    await journal.finish(id, 1, { state: 'succeeded', result: '1' })
    await eventually(async () => (await journal.get(id)) === undefined)
  }
})

t.test('when too many operations wait, casts are refused and outcomes are not', async (t) => {
  const journal = await fresh(t)
  const { id } = await accept(journal, { begin: true })
  const waiting = Array.from({ length: 100_000 }, () => journal.get('none'))
  await t.rejects(accept(journal), {
    code: 'JOURNAL_UNAVAILABLE',
    message: '100000 operations already wait for the journal',
  })
  t.equal(await journal.finish(id, 1, { state: 'succeeded', result: '1' }), true)
  await Promise.all(waiting)
  t.match(await accept(journal), { state: 'queued' })
})

t.test('everything asked before close is answered, and everything after it is refused', async (t) => {
  const journal = await openJournal(t.testdir())
  const asked = accept(journal)
  await journal.close()
  t.match(await asked, { state: 'queued' })
  await journal.close()
  await t.rejects(accept(journal), { code: 'JOURNAL_UNAVAILABLE' })
})
