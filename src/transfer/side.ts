/** The two places between which `threadplane migrate` copies: a data folder and a database. Each can be read and written. */
import type { Key, Row, Table } from './tables.ts'

/** The name of a service → its registration as JSON, also one that this version cannot use. */
export type RegistrationTexts = Map<string, string>

/** A row that can be read: where it is, and about how large. */
export interface Place {
  key: Key
  bytes: number
}

/**
 * From `open` to `close` no server uses it. Everything happens in one transaction: what is not committed is as if it had
 * never been. A job that was running is one whose server has ended: its attempt counts (P3).
 */
export interface Side {
  /** For messages. */
  readonly name: string
  /** The next rows after a place; `undefined`: the first ones. */
  places(table: Table, after: Key | undefined, limit: number): Promise<Place[]>
  /** The rows after the first place, up to the second. */
  rows(table: Table, after: Key | undefined, upTo: Key): Promise<Row[]>
  count(table: Table): Promise<number>
  registrations(): Promise<RegistrationTexts>
  /** Deletes all that is copied. */
  clear(): Promise<void>
  add(table: Table, rows: Row[]): Promise<void>
  /** In place of those that are there. */
  setRegistrations(registrations: RegistrationTexts): Promise<void>
  commit(): Promise<void>
  /** What was not committed is undone. */
  close(): Promise<void>
}
