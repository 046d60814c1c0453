/**
 * Lists of jobs, newest first. Each combination of service, method and state is a range of one index: a page costs what it
 * shows. It is found first, and its jobs are read then, as a page is limited in bytes.
 */
import { fitting, isAccepted, isNamed, type JobSize, listedStates } from '../jobs/job-page.ts'
import type { JobFilter, JobPage, StoredPayload } from '../jobs/job-store.ts'
import { seqsOf } from './accepted-range.ts'
import { COLUMNS, isId, type Row, toJobs } from './job-row.ts'
import { ALL_KINDS, KINDS_OF_SERVICE } from './job-kinds.ts'
import { type Run, statement } from './statement.ts'

const SIZE = `seq, coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
  + coalesce(octet_length(array_to_string(history, ',')), 0) AS bytes`

const LIST_ALL = statement(
  'listAll',
  `SELECT ${SIZE} FROM jobs WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`,
)

/** SQL that compares only the few kinds, and no job. `$1`: names, and beginnings of names with `*`. */
const IS_NAMED = `EXISTS (SELECT 1 FROM unnest($1::text[]) AS named (name)
  WHERE CASE WHEN right(name, 1) = '*' THEN starts_with(kinds.service, left(name, -1)) ELSE kinds.service = name END)`
const ONE_KIND = 'kinds AS (SELECT $1::text AS service, $6::text AS method)'

/**
 * The lists of jobs for which `condition` holds, which may use `s.wanted`. Each takes the service or names, what is wanted,
 * the range of numbers and the limit as `$1` to `$5`, and perhaps a method as `$6`.
 */
function lists(name: string, condition: string) {
  const page = (kinds: string, where = '') => `WITH RECURSIVE ${kinds} SELECT ${SIZE} FROM jobs WHERE seq = ANY(ARRAY(
    SELECT page.seq FROM kinds CROSS JOIN unnest($2::text[]) AS s (wanted) CROSS JOIN LATERAL (SELECT j.seq FROM jobs j
      WHERE j.service = kinds.service AND j.method = kinds.method AND ${condition} AND j.seq >= $3 AND j.seq < $4
      ORDER BY j.seq DESC LIMIT $5) page ${where} ORDER BY page.seq DESC LIMIT $5)) ORDER BY seq DESC`
  return {
    named: statement(`${name}Named`, page(ALL_KINDS, `WHERE ${IS_NAMED}`)),
    namedMethod: statement(`${name}NamedMethod`, page(ALL_KINDS, `WHERE ${IS_NAMED} AND kinds.method = $6`)),
    service: statement(`${name}Service`, page(KINDS_OF_SERVICE)),
    method: statement(`${name}Method`, page(ONE_KIND)),
  }
}

const IN_STATE = lists('list', 'j.state = s.wanted')
const WITH_KEY = lists('listKey', "j.state = 'failed' AND j.error_key = s.wanted")

const READ = statement('readJobs', `SELECT ${COLUMNS} FROM jobs WHERE seq = ANY($1::bigint[]) ORDER BY seq DESC`)
const PAYLOAD = statement('payload', 'SELECT service, method, payload FROM jobs WHERE id = $1')

export class JobLists {
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
  }

  async list(filter: JobFilter): Promise<JobPage> {
    const { limit } = filter
    const sizes = await this.#sizes(filter)
    const shown = sizes.slice(0, fitting(sizes, limit))
    const last = sizes.length > shown.length ? shown.at(-1) : undefined
    const { rows } = await this.#run<Row>(READ, [shown.map(({ seq }) => seq)])
    const items = toJobs(rows).filter((job) => isAccepted(filter, Date.parse(job.createdAt)))
    return { items, nextCursor: last === undefined ? null : String(last.seq) }
  }

  async #sizes(filter: JobFilter): Promise<JobSize[]> {
    const { service, names, method, states, errorKey, limit, cursor } = filter
    const { from, end } = await seqsOf(this.#run, filter)
    const before = cursor === undefined ? end : Math.min(end, Number(cursor))
    const range = [from, before, limit + 1]
    const isAny = service === undefined && names === undefined && method === undefined && errorKey === undefined
    if (isAny && states === undefined) return (await this.#run<JobSize>(LIST_ALL, range)).rows
    if (service !== undefined && names?.some((name) => isNamed(service, name)) === false) return []
    const wanted = listedStates(states, errorKey).map((state) => errorKey ?? state)
    const given = [service ?? names ?? ['*'], wanted, ...range]
    const asked = errorKey === undefined ? IN_STATE : WITH_KEY
    const [anyMethod, oneMethod] =
      service === undefined ? [asked.named, asked.namedMethod] : [asked.service, asked.method]
    if (method === undefined) return (await this.#run<JobSize>(anyMethod, given)).rows
    return (await this.#run<JobSize>(oneMethod, [...given, method])).rows
  }

  async payload(id: string): Promise<StoredPayload | undefined> {
    if (!isId(id)) return undefined
    return (await this.#run<StoredPayload>(PAYLOAD, [id])).rows[0]
  }
}
