/** Group commit: on a disk with room, on a full disk, and once there is room again (P2, P3). */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Job } from '../../src/jobs/job.ts'
import type { JobOutcome } from '../../src/jobs/job-store.ts'
import {
  type JournalOperation,
  type JournalReply,
  type JournalRequest,
  toAcceptRow,
} from '../../src/sqlite/messages.ts'
import { OpenJournal } from '../../src/sqlite/open-journal.ts'
import { DAY_MS, request } from './jobs.ts'

type Asked = [operation: JournalOperation, ...args: unknown[]]

interface Rig {
  /** Runs operations as one group, and answers those of this group and of earlier ones. */
  commit: (...operations: Asked[]) => JournalReply[]
  setRoom: (room: boolean) => void
}

/** A journal on a disk that can be full: SQLite then refuses to let the file grow. */
function rig(t: Test): Rig {
  const journal = new OpenJournal(join(t.testdir(), 'jobs.sqlite'), { keepJobsMs: DAY_MS, maxFinishedJobs: 1_000 })
  t.teardown(() => journal.close())
  const { file } = journal
  let lastId = 0
  return {
    commit: (...operations) =>
      journal.commit(operations.map(([operation, ...args]): JournalRequest => [++lastId, operation, args])).replies,
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

t.test('on a full disk casts are refused, reads are answered, and outcomes are postponed until there is room', (t) => {
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

  t.match(commit(get('second'), accept('4', 'fourth'), ['counts'], ['oldestQueued'], ['attemptLogs', 'second']), [
    [7, { state: 'running' }],
    [8, undefined, { code: 'JOURNAL_UNAVAILABLE' }],
    [9, [{ service: 'mail', counts: { running: 2 } }]],
    [10, []],
    [11, []],
  ])
  setRoom(true)
  const written = commit(get('first'), accept('5', 'fifth'), get('third'))
  t.match(written.slice(0, 2), [
    [3, true],
    [6, true],
  ])
  const answers = new Map(written.map(([id, value]) => [id, value as Job | undefined]))
  t.equal(answers.size, 5, 'each operation is answered once')
  t.match(answers.get(12), { id: 'first', state: 'succeeded' })
  t.equal(answers.get(14), undefined, 'a refused job does not exist')
  t.end()
})

t.test('an operation that fails is refused alone, and has changed nothing', (t) => {
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
