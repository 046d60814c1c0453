/** Group commit while there is room, while there is none, and after that (DESIGN P2, P3). */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Job } from '../../src/jobs/job.ts'
import type { JobOutcome } from '../../src/jobs/job-store.ts'
import { JournalAcceptance } from '../../src/sqlite/accept.ts'
import { JournalDatabase } from '../../src/sqlite/transitions.ts'
import { JournalFile } from '../../src/sqlite/database-file.ts'
import { GroupCommit } from '../../src/sqlite/group-commit.ts'
import { JournalLists } from '../../src/sqlite/lists.ts'
import {
  type JournalOperation,
  type JournalOperations,
  type JournalReply,
  type JournalRequest,
  toAcceptRow,
} from '../../src/sqlite/messages.ts'
import { request } from './jobs.ts'

type Asked = [operation: JournalOperation, ...args: unknown[]]

interface Rig {
  commit: (...requests: Asked[]) => JournalReply[]
  setRoom: (room: boolean) => void
}

/** The operations a test needs, and a room of its own: SQLite refuses to grow a file as a full disk does. */
function rig(t: Test): Rig {
  const file = new JournalFile(join(t.testdir(), 'jobs.sqlite'))
  t.teardown(() => file.close())
  const jobs = new JournalDatabase(file, new JournalLists(file))
  const acceptance = new JournalAcceptance(file, (id) => jobs.get(id))
  const groups = new GroupCommit(file, {
    accept: (rows) => acceptance.accept(rows),
    get: (id) => jobs.get(id),
    finish: (id, attempt, outcome) => jobs.finish(id, attempt, outcome),
    retry: (id, attempt, error, notBefore) => jobs.retry(id, attempt, error, notBefore),
    requeue: (id) => jobs.requeue(id),
  } as JournalOperations)
  let lastId = 0
  return {
    commit: (...requests) =>
      groups.commit(requests.map(([operation, ...args]): JournalRequest => [++lastId, operation, args])).replies,
    setRoom: (room) => {
      const { page_count: pages } = file.get<{ page_count: number }>('PRAGMA page_count') as { page_count: number }
      file.exec(`PRAGMA max_page_count = ${room ? 1_000_000 : pages}`)
    },
  }
}

const accept = (payload: string, id?: string): Asked => {
  return ['accept', [toAcceptRow(request({ ...(id !== undefined && { id }), payload, begin: true }))]]
}
const get = (id: string): Asked => ['get', id]
const finish = (id: string, outcome: JobOutcome): Asked => ['finish', id, 1, outcome]
const LARGE = 'x'.repeat(100_000)

t.test('without room casts are refused, reads go on, and outcomes wait until there is some', (t) => {
  const { commit, setRoom } = rig(t)
  commit(accept('1', 'first'), accept('2', 'second'))
  setRoom(false)
  const replies = commit(
    finish('first', { state: 'succeeded', result: JSON.stringify(LARGE) }),
    get('first'),
    accept('3', 'third'),
    finish('second', { state: 'succeeded', result: '2' }),
  )
  t.match(replies, [
    [4, { id: 'first', state: 'running' }],
    [5, undefined, { code: 'JOURNAL_UNAVAILABLE', message: /the disk is full/ }],
  ])
  t.equal(replies.length, 2)

  t.match(commit(get('second'), accept('4', 'fourth')), [
    [7, { state: 'running' }],
    [8, undefined, { code: 'JOURNAL_UNAVAILABLE' }],
  ])
  setRoom(true)
  const written = commit(get('first'), accept('5', 'fifth'), get('third'))
  t.match(written.slice(0, 2), [
    [3, true],
    [6, true],
  ])
  const answers = new Map(written.map(([id, value]) => [id, value as Job | undefined]))
  t.equal(answers.size, 5, 'each is answered once')
  t.match(answers.get(9), { id: 'first', state: 'succeeded' })
  t.equal(answers.get(11), undefined, 'what was refused is not there')
  t.end()
})

t.test('one that is at fault itself is refused alone, and has done nothing', (t) => {
  const { commit } = rig(t)
  commit(accept('1', 'first'))
  const replies = commit(accept('2', 'second'), accept('3', 'first'), ['requeue', 'unknown'], accept('4', 'third'))
  t.match(replies, [
    [2, Array],
    [3, undefined, {}],
    [4, undefined, { code: 'JOB_NOT_FOUND' }],
    [5, Array],
  ])
  t.match(commit(get('second'), get('third')), [
    [6, { id: 'second' }],
    [7, { id: 'third' }],
  ])
  t.end()
})
