/**
 * Copies everything from one side to the other, page by page, in one transaction of the target: all or nothing. A page is
 * bounded in rows and in bytes, so the memory does not grow with the number of jobs.
 */
import { isId } from '../cluster/job-row.ts'
import { errorKeyOf } from '../jobs/error-key.ts'
import { errorOf } from '../jobs/stored-job.ts'
import { JOB_STATES } from '../contract/states.ts'
import type { RegistrationTexts, Side } from './side.ts'
import { JOBS, type Key, type Row, type Table, TABLES } from './tables.ts'

const MAX_PAGE_ROWS = 1_000
/** A larger row is a page of its own. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

export interface CopyOptions {
  /** Delete what the target holds, and do not refuse because of it. */
  replace: boolean
  /** Told after each page. */
  onCopied: (table: Table, rows: number) => void
}

/** What was copied, for people: `3 jobs`. */
export async function copyAll(source: Side, target: Side, options: CopyOptions): Promise<string[]> {
  const registrations = await source.registrations()
  if (options.replace) await target.clear()
  else await refuseIfUsed(target, registrations)
  const copied: string[] = []
  let total = registrations.size
  for (const table of TABLES) {
    const rows = await copyTable(source, target, table, options)
    copied.push(counted(rows, table.title))
    total += rows
  }
  if (total === 0) throw new Error(`${source.name} holds nothing: nothing was copied`)
  // If the process ends between the two, the target has no jobs, and the same command can be given again.
  await target.setRegistrations(registrations)
  await target.commit()
  return [...copied, counted(registrations.size, 'registration')]
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** @throws if the target holds anything that would be lost or mixed */
async function refuseIfUsed(target: Side, registrations: RegistrationTexts): Promise<void> {
  const held: string[] = []
  for (const table of TABLES) {
    const count = await target.count(table)
    if (count > 0) held.push(counted(count, table.title))
  }
  const others = [...(await target.registrations())].filter(([name, text]) => registrations.get(name) !== text)
  if (others.length > 0) held.push(counted(others.length, 'other registration'))
  if (held.length === 0) return
  throw new Error(`${target.name} holds ${held.join(', ')} already: --replace deletes all of that first`)
}

async function copyTable(source: Side, target: Side, table: Table, { onCopied }: CopyOptions): Promise<number> {
  let copied = 0
  let after: Key | undefined
  for (;;) {
    const upTo = await endOfPage(source, table, after)
    if (upTo === undefined) return copied
    const rows = await source.rows(table, after, upTo)
    await add(target, table, table === JOBS ? rows.map(checkedJob) : rows, upTo)
    copied += rows.length
    onCopied(table, copied)
    after = upTo
  }
}

async function endOfPage(source: Side, table: Table, after: Key | undefined): Promise<Key | undefined> {
  const places = await source.places(table, after, MAX_PAGE_ROWS)
  let bytes = 0
  const beyond = places.findIndex((place, index) => (bytes += place.bytes) > MAX_PAGE_BYTES && index > 0)
  return places.at(beyond === -1 ? -1 : beyond - 1)?.key
}

async function add(target: Side, table: Table, rows: Row[], upTo: Key): Promise<void> {
  try {
    await target.add(table, rows)
  } catch (error) {
    throw new Error(
      `${target.name} does not take the ${rows.length} ${table.title}s up to ${upTo.join(' ')}, so nothing was copied`,
      { cause: error },
    )
  }
}

/** A job as every store can keep it. Jobs that failed before errors had keys get theirs. */
function checkedJob(row: Row): Row {
  const { seq, id, state } = row
  if (!isId(String(id)) || !(JOB_STATES as readonly unknown[]).includes(state)) {
    throw new Error(`the record of the job ${id} (number ${seq}) is damaged, so nothing was copied: delete that job`)
  }
  const errorKey = state === 'failed' ? (row.errorKey ?? errorKeyOf(errorOf(String(row.error)))) : null
  return { ...row, history: isList(String(row.history)) ? (row.history as string) : '[]', errorKey }
}

/** A damaged history is shown as an empty one. */
function isList(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text))
  } catch {
    return false
  }
}
