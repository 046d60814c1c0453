/**
 * `threadplane migrate`: copies the jobs and registrations of a data folder to a database, or back, while no server uses
 * either. What was copied goes to standard output, everything else to standard error.
 */
import { parseArgs } from 'node:util'
import { copyAll } from './copy.ts'
import { DatabaseSide, type DatabaseSideOptions } from './database-side.ts'
import { FolderSide } from './folder-side.ts'
import type { Side } from './side.ts'
import type { Table } from './tables.ts'

const USAGE = `threadplane migrate --to database    copy jobs with the logs of failed attempts, schedules,
                                     idempotency keys, the audit and the registrations from the data folder to the database
threadplane migrate --to folder      the same from the database to the data folder
      --replace                      delete all of that in the target first; without it, a target
                                     that holds any of it is refused

Stop all servers first. The source is only read. Everything is copied, or nothing.
The folder is THREADPLANE_DATA, the database is THREADPLANE_DATABASE_URL, its schema THREADPLANE_DATABASE_SCHEMA.
Tokens, modules and the cache of descriptions are files of each node, and are not copied.`

/** A line says so each time when so many more jobs are copied. */
const TOLD_EVERY = 100_000

export interface MigrateSettings extends DatabaseSideOptions {
  /** The data folder. */
  folder: string
}

/** @returns the exit code @throws Error with a message for the person who runs it */
export async function migrateCommand(args: string[], settings: () => MigrateSettings): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean', short: 'h' },
      to: { type: 'string' },
      replace: { type: 'boolean' },
    },
  })
  const { to, replace = false } = values
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (to !== 'database' && to !== 'folder') {
    console.error(USAGE)
    return 2
  }
  const { folder, ...database } = settings()
  if (database.url === '') throw new Error('THREADPLANE_DATABASE_URL is not set: it says which database')
  // The folder first: to look at it disturbs nobody.
  const folderSide = await FolderSide.open(folder, to === 'folder' ? 'target' : 'source')
  try {
    const databaseSide = await DatabaseSide.open(database, to === 'folder' ? 'source' : 'target')
    try {
      if (to === 'folder') await copy(databaseSide, folderSide, replace)
      else await copy(folderSide, databaseSide, replace)
    } finally {
      await databaseSide.close()
    }
  } finally {
    await folderSide.close()
  }
  console.error(
    to === 'database'
      ? `A server that starts without THREADPLANE_DATABASE_URL would run the waiting jobs of ${folder} again: move its jobs.sqlite away.`
      : 'A server that starts with THREADPLANE_DATABASE_URL would run the waiting jobs of the database again: drop its schema.',
  )
  return 0
}

async function copy(source: Side, target: Side, replace: boolean): Promise<void> {
  let told = 0
  const onCopied = ({ title }: Table, rows: number) => {
    const reached = Math.floor(rows / TOLD_EVERY)
    if (reached > told) console.error(`${rows} ${title}s …`)
    told = reached
  }
  const copied = await copyAll(source, target, { replace, onCopied })
  console.log(`copied from ${source.name} to ${target.name}: ${copied.join(', ')}`)
}
