/**
 * Lists of jobs, newest first. Each combination of service, method and state is a range of one index: a page costs what it
 * shows. It is found first, and its jobs are read then, as a page is limited in bytes.
 */
import { JOB_STATES } from '../contract/states.ts'
import { fitting, isNamed, type JobSize } from '../jobs/job-page.ts'
import type { JobFilter, JobPage, StoredPayload } from '../jobs/job-store.ts'
import { COLUMNS, isId, type Row, toJobs } from './job-row.ts'
import { ALL_KINDS, KINDS_OF_SERVICE } from './job-kinds.ts'
import { type Run, statement } from './statement.ts'

const SIZE = `seq, coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
  + coalesce(octet_length(array_to_string(history, ',')), 0) AS bytes`

const LIST_ALL = statement('listAll', `SELECT ${SIZE} FROM jobs WHERE seq < $1 ORDER BY seq DESC LIMIT $2`)

/** SQL of a page over the kinds `chosen`. Takes states, the cursor and the limit as `$2` to `$4`. */
const RANGES = `CROSS JOIN unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (SELECT j.seq FROM jobs j
  WHERE j.service = kinds.service AND j.method = kinds.method AND j.state = s.state AND j.seq < $3
  ORDER BY j.seq DESC LIMIT $4) page`
const PAGE = `SELECT ${SIZE} FROM jobs WHERE seq = ANY(ARRAY(SELECT page.seq FROM kinds ${RANGES}`
const NEWEST_FIRST = 'ORDER BY page.seq DESC LIMIT $4)) ORDER BY seq DESC'
/** SQL that compares only the few kinds, and no job. `$1`: names, and beginnings of names with `*`. */
const IS_NAMED = `EXISTS (SELECT 1 FROM unnest($1::text[]) AS named (name)
  WHERE CASE WHEN right(name, 1) = '*' THEN starts_with(kinds.service, left(name, -1)) ELSE kinds.service = name END)`
const HAS_METHOD = 'kinds.method = $5'

const LIST_NAMED = statement('listNamed', `WITH RECURSIVE ${ALL_KINDS} ${PAGE} WHERE ${IS_NAMED} ${NEWEST_FIRST}`)
const LIST_NAMED_METHOD = statement(
  'listNamedMethod',
  `WITH RECURSIVE ${ALL_KINDS} ${PAGE} WHERE ${IS_NAMED} AND ${HAS_METHOD} ${NEWEST_FIRST}`,
)
const LIST_SERVICE = statement('listService', `WITH RECURSIVE ${KINDS_OF_SERVICE} ${PAGE} ${NEWEST_FIRST}`)
const LIST_METHOD = statement(
  'listMethod',
  `${PAGE.replace('FROM kinds', 'FROM (SELECT $1::text AS service, $5::text AS method) kinds')} ${NEWEST_FIRST}`,
)

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
    return { items: toJobs(rows), nextCursor: last === undefined ? null : String(last.seq) }
  }

  async #sizes({ service, names, method, states = JOB_STATES, limit, cursor }: JobFilter): Promise<JobSize[]> {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
    const wanted = limit + 1
    if (service === undefined && names === undefined && method === undefined && states === JOB_STATES)
      return (await this.#run<JobSize>(LIST_ALL, [before, wanted])).rows
    if (service !== undefined && names?.some((name) => isNamed(service, name)) === false) return []
    const given = [service ?? names ?? ['*'], states, before, wanted]
    const [anyMethod, oneMethod] = service === undefined ? [LIST_NAMED, LIST_NAMED_METHOD] : [LIST_SERVICE, LIST_METHOD]
    if (method === undefined) return (await this.#run<JobSize>(anyMethod, given)).rows
    return (await this.#run<JobSize>(oneMethod, [...given, method])).rows
  }

  async payload(id: string): Promise<StoredPayload | undefined> {
    if (!isId(id)) return undefined
    return (await this.#run<StoredPayload>(PAYLOAD, [id])).rows[0]
  }
}
