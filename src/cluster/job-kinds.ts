/**
 * The services and methods that have jobs, in order: the database jumps from one to the next in an index, and reads no job
 * between them.
 */
import { type Run, statement } from './statement.ts'

/** Kinds that one statement answers. */
const STEP = 200

/** SQL of the next kind after one. */
const NEXT = `SELECT service, method FROM jobs WHERE (service, method) > (k.service, k.method) ORDER BY service, method LIMIT 1`
const NEXT_OF_SERVICE = `SELECT service, method FROM jobs WHERE service = $1 AND method > k.method ORDER BY method LIMIT 1`

/** SQL of all kinds, and of those of the service `$1`, as a part `kinds` of a recursive WITH. */
export const ALL_KINDS = `kinds AS ((SELECT service, method FROM jobs ORDER BY service, method LIMIT 1)
  UNION ALL SELECT next.service, next.method FROM kinds k, LATERAL (${NEXT}) next)`
export const KINDS_OF_SERVICE = `kinds AS ((SELECT service, method FROM jobs WHERE service = $1 ORDER BY method LIMIT 1)
  UNION ALL SELECT next.service, next.method FROM kinds k, LATERAL (${NEXT_OF_SERVICE}) next)`

const KINDS = statement(
  'kinds',
  `WITH RECURSIVE kinds AS ((SELECT service, method FROM jobs WHERE (service, method) >= ($1, $2)
      ORDER BY service, method LIMIT 1)
    UNION ALL SELECT next.service, next.method FROM kinds k, LATERAL (${NEXT}) next)
    SELECT service, method FROM kinds LIMIT ${STEP + 1}`,
)
const KINDS_OF = statement(
  'kindsOf',
  `WITH RECURSIVE kinds AS ((SELECT service, method FROM jobs WHERE service = $1 AND method >= $2
      ORDER BY method LIMIT 1)
    UNION ALL SELECT next.service, next.method FROM kinds k, LATERAL (${NEXT_OF_SERVICE}) next)
    SELECT service, method FROM kinds LIMIT ${STEP + 1}`,
)

export interface Kind {
  service: string
  method: string
}

export class JobKinds {
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
  }

  /** @param from begins with this kind, or with the next one if it has no jobs */
  async *of(service?: string, from: Kind = { service: service ?? '', method: '' }): AsyncGenerator<Kind> {
    for (let next: Kind | undefined = from; next !== undefined; ) {
      const given: Kind = next
      const { rows }: { rows: Kind[] } =
        service === undefined
          ? await this.#run<Kind>(KINDS, [given.service, given.method])
          : await this.#run<Kind>(KINDS_OF, [service, given.method])
      yield* rows.slice(0, STEP)
      next = rows[STEP]
    }
  }
}
