/**
 * What 202 means with this database (P2): its settings decide what an acknowledged job survives. They are read at the
 * start, said in the log and in `/readyz?verbose`, and a server that does not flush ends the start.
 */
import { type Run, statement } from './statement.ts'

const SETTINGS = statement(
  'durability',
  `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS "fullPageWrites",
    current_setting('synchronous_commit') AS "synchronousCommit",
    current_setting('synchronous_standby_names') AS "synchronousStandbyNames"`,
)

export interface DurabilitySettings {
  fsync: string
  fullPageWrites: string
  /** Of the sessions of the store, which set it to `on`. */
  synchronousCommit: string
  /** Empty: a commit waits for no other server. */
  synchronousStandbyNames: string
}

/** `safe: false`: something that was acknowledged may be lost. `text` ends the sentence "An accepted job …". */
export interface Durability {
  safe: boolean
  text: string
}

export async function readDurability(run: Run): Promise<Durability> {
  const { rows } = await run<DurabilitySettings>(SETTINGS, [])
  return durabilityOf(rows[0] as DurabilitySettings)
}

export function durabilityOf(settings: DurabilitySettings): Durability {
  const { fsync, fullPageWrites, synchronousCommit, synchronousStandbyNames } = settings
  const off = [
    ...(fsync === 'on' ? [] : ['fsync']),
    ...(fullPageWrites === 'on' ? [] : ['full_page_writes']),
    ...(synchronousCommit === 'on' || synchronousCommit === 'remote_apply' ? [] : ['synchronous_commit']),
  ]
  if (off.length > 0)
    return {
      safe: false,
      text: `may be lost in a crash of the database: ${off.join(' and ')} ${off.length === 1 ? 'is' : 'are'} off`,
    }
  // Beside at least one other server with the same data, a commit waits for the disks of both.
  if (synchronousStandbyNames.trim() !== '') return { safe: true, text: 'survives the loss of its machine' }
  return { safe: true, text: 'survives a crash of the database' }
}
