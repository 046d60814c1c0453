/** Its methods refuse requests with a `MethodProblem`, or throw errors that contain others. */
import { defineService, MethodProblem, method } from 'threadplane/service'

export default defineService({
  methods: {
    find: method({
      problems: {
        documentNotFound: { status: 404, title: 'No such document' },
        encrypted: { status: 422, title: 'The document is encrypted' },
        gone: { status: 410, title: 'The document was deleted' },
      },
      handler: () => {
        throw new MethodProblem(404, 'no document 7', { code: 'DOCUMENT_NOT_FOUND' })
      },
    }),
    plain: method({
      handler: () => {
        throw new MethodProblem(418, 'it is a teapot')
      },
    }),
    throttled: method({
      handler: () => {
        throw new MethodProblem(429, 'too many', { retryAfterSeconds: 7 })
      },
    }),
    throttledOnce: method({
      backoffMs: 1,
      handler: (_payload, { job }) => {
        if (job.attempt === 1) throw new MethodProblem(429, 'too many')
        return 'done'
      },
    }),
    badPart: method({
      handler: () => {
        const errors = [{ pointer: '/image', message: 'not a PNG' }]
        throw new MethodProblem(422, 'a bad image', { code: 'BAD_IMAGE', errors })
      },
    }),
    otherCopy: method({
      handler: () => {
        throw Object.assign(new Error('of another copy of the package'), {
          [Symbol.for('threadplane.problem')]: true,
          status: 409,
        })
      },
    }),
    wrongStatus: method({
      handler: () => {
        throw new MethodProblem(500, 'no')
      },
    }),
    changedStatus: method({
      handler: () => {
        throw Object.assign(new MethodProblem(404, 'changed'), { status: 200 })
      },
    }),
    several: method({
      backoffMs: 1,
      maxAttempts: 1,
      handler: () => {
        const first = new Error('the first mirror is down', { cause: new TypeError('no route') })
        throw new AggregateError([first, new RangeError('the second is slow')])
      },
    }),
    silent: method({
      handler: () => {
        throw new TypeError('')
      },
    }),
    deep: method({
      handler: () => {
        let error = new Error('root')
        for (let depth = 0; depth < 20; depth += 1) error = new Error(`level ${depth}`, { cause: error })
        throw error
      },
    }),
  },
})
