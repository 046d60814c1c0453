/** Answers of the store have a deadline. */
import t from 'tap'
import { Deferred } from '../../src/async/deferred.ts'
import { StoreDeadline } from '../../src/jobs/store-deadline.ts'
import { timings } from '../../src/jobs/timings.ts'

t.test(
  'an answer that does not come in time is refused, and the store counts as silent until it answers',
  async (t) => {
    const deadline = new StoreDeadline()
    const answer = new Deferred<number>()
    timings.storeAnswersWithinMs = 60_000
    const patient = deadline.within(answer.promise)
    timings.storeAnswersWithinMs = 0
    const impatient = deadline.within(answer.promise)
    deadline.sweep()
    t.equal(deadline.answers, true, 'the oldest wait has time left: the others are younger')
    answer.resolve(7)
    t.equal(await patient, 7)
    t.equal(await impatient, 7)

    const silent = new Deferred<number>()
    const refused = deadline.within(silent.promise)
    deadline.sweep()
    await t.rejects(refused, { code: 'JOURNAL_UNAVAILABLE', facts: { retryAfterSeconds: 5 } })
    t.equal(deadline.answers, false)
    silent.reject(new Error('the answer comes late'))
    await silent.promise.catch(() => {})
    t.equal(deadline.answers, true)
  },
)
