/** Opening the database file, as a server finds it after a crash, a full disk, or an accident. */
import { copyFileSync, readFileSync, statSync } from 'node:fs'
import { open, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { DatabaseFile } from '../../src/sqlite/database-file.ts'
import { openTrouble } from '../../src/sqlite/storage-errors.ts'
import { acceptAll, LocalJournal, localJournal } from './jobs.ts'

const MANY = Array.from({ length: 500 }, () => ({}))

/** The files of a journal as `kill -9` leaves them. */
async function killed(t: Test): Promise<string> {
  const journal = localJournal(t)
  await acceptAll(journal, MANY)
  const path = `${journal.path}-killed`
  for (const suffix of ['', '-wal']) copyFileSync(journal.path + suffix, path + suffix)
  t.ok(statSync(`${path}-wal`).size > 0)
  return path
}

/** Why a journal over the file cannot be opened. */
function troubleOf(path: string): ReturnType<typeof openTrouble> {
  try {
    new LocalJournal(path)
  } catch (error) {
    return openTrouble(path, error)
  }
  throw new Error('the journal was opened')
}

t.test('opening an existing file writes nothing: a full disk has no room for that', async (t) => {
  const path = await killed(t)
  const contents = () => [path, `${path}-wal`].map((file) => readFileSync(file).toString('base64'))
  const before = contents()
  const file = new DatabaseFile(path)
  t.strictSame(contents(), before)
  file.close()
})

t.test('a damaged file is recognised', async (t) => {
  const journal = localJournal(t)
  await acceptAll(journal, MANY)
  await journal.close()
  t.equal(statSync(`${journal.path}-wal`).size, 0)
  const damages: Record<string, (file: string) => Promise<void>> = {
    garbage: (file) => writeFile(file, Buffer.alloc(20_000, 'garbage ')),
    'a header that is cut short': (file) => truncate(file, 60),
    'a first page that is cut short': (file) => truncate(file, 1_000),
    'half of the file is missing': (file) => truncate(file, Math.floor(statSync(file).size / 8_192) * 4_096),
    'pages are overwritten': async (file) => {
      const handle = await open(file, 'r+')
      await handle.write(Buffer.alloc(8 * 4_096, 0x5a), 0, 8 * 4_096, 2 * 4_096)
      await handle.close()
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    const path = join(dirname(journal.path), what)
    copyFileSync(journal.path, path)
    await damage(path)
    t.strictSame(troubleOf(path), { kind: 'damaged' }, what)
  }
})

t.test('an empty file beside a log is refused: opening it would delete the log', async (t) => {
  const path = await killed(t)
  await truncate(path, 0)
  t.strictSame(troubleOf(path), { kind: 'damaged' })
  t.ok(statSync(`${path}-wal`).size > 0)
})
