/** The registrations that several servers share, in PostgreSQL. */
import {
  readStored,
  type Registration,
  type RegistrationListener,
  type RegistrationStore,
  type StoredRegistration,
} from '../registry/registration-store.ts'
import type { Hints } from './hints.ts'
import { type Run, statement } from './statement.ts'

/** Revisions of the whole table rise in the order of its commits, as each change locks the same row. */
const NOTED = (change: string) => `WITH changed AS (${change} RETURNING revision),
  noted AS (UPDATE changes SET revision = nextval('revisions') WHERE kind = 'registrations' AND EXISTS (SELECT 1 FROM changed))
  SELECT revision FROM changed`

const ALL = statement('registrations', 'SELECT name, revision, registration FROM registrations ORDER BY name')
const ADD = statement(
  'addRegistration',
  NOTED(`INSERT INTO registrations (name, revision, registration) VALUES ($1, nextval('revisions'), $2)
    ON CONFLICT (name) DO NOTHING`),
)
const CHANGE = statement(
  'changeRegistration',
  NOTED(
    `UPDATE registrations SET revision = nextval('revisions'), registration = $2 WHERE name = $1 AND revision = $3`,
  ),
)
const REMOVE = statement('removeRegistration', NOTED('DELETE FROM registrations WHERE name = $1 AND revision = $2'))

interface Row {
  name: string
  revision: number
  registration: string
}

export class PgRegistrations implements RegistrationStore {
  readonly isShared = true
  readonly #run: Run
  readonly #hints: Hints
  readonly #listeners = new Set<RegistrationListener>()
  #known: ReadonlyMap<string, StoredRegistration> = new Map()
  /** Of the whole table, when it was last read because of a beat. */
  #revision: number | undefined
  /** Reads and writes follow one another, so that a read never brings back what a write has replaced. */
  #last: Promise<unknown> = Promise.resolve()
  /** A read that waits for its turn. */
  #refreshing = false

  constructor(run: Run, hints: Hints) {
    this.#run = run
    this.#hints = hints
    hints.on('registration', () => this.#refresh())
  }

  read(): Promise<Map<string, StoredRegistration>> {
    return this.#inTurn(() => this.#readAndTell())
  }

  /** Whatever it was read for, listeners are told of what others have changed. */
  async #readAndTell(): Promise<Map<string, StoredRegistration>> {
    const before = this.#known
    const now = await this.#read()
    for (const name of new Set([...before.keys(), ...now.keys()])) {
      const changed = now.get(name)
      if (changed?.revision === before.get(name)?.revision) continue
      for (const listener of this.#listeners) listener(name, changed)
    }
    return now
  }

  async #read(): Promise<Map<string, StoredRegistration>> {
    const { rows } = await this.#run<Row>(ALL, [])
    const read = new Map<string, StoredRegistration>()
    for (const { name, revision, registration } of rows) {
      const known = this.#known.get(name)
      read.set(name, known?.revision === revision ? known : stored(name, registration, revision))
    }
    this.#known = read
    return new Map(read)
  }

  set(name: string, registration: Registration | undefined, expected: number | undefined): Promise<boolean> {
    return this.#inTurn(() => this.#set(name, registration, expected))
  }

  async #set(name: string, registration: Registration | undefined, expected: number | undefined): Promise<boolean> {
    if (registration === undefined && expected === undefined) return !this.#known.has(name)
    const text = JSON.stringify(registration)
    const { rows } = await (registration === undefined
      ? this.#run<Row>(REMOVE, [name, expected])
      : expected === undefined
        ? this.#run<Row>(ADD, [name, text])
        : this.#run<Row>(CHANGE, [name, text, expected]))
    const [row] = rows
    if (row === undefined) return false
    const known = new Map(this.#known)
    const changed = registration && { registration, revision: row.revision }
    if (changed === undefined) known.delete(name)
    else known.set(name, changed)
    this.#known = known
    for (const listener of this.#listeners) listener(name, changed)
    this.#hints.tell('registration', name)
    return true
  }

  /** @param revision of the whole table, by the last beat */
  seen(revision: number): void {
    if (revision === this.#revision) return
    this.#refresh(revision)
  }

  #refresh(revision?: number): void {
    if (this.#refreshing) return
    this.#refreshing = true
    void this.#inTurn(async () => {
      this.#refreshing = false
      await this.#readAndTell()
      if (revision !== undefined) this.#revision = revision
    }).catch(() => {
      // The next beat tells the revision again.
    })
  }

  watch(listener: RegistrationListener): void {
    this.#listeners.add(listener)
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(task, task)
    this.#last = done.catch(() => {})
    return done
  }
}

function stored(name: string, text: string, revision: number): StoredRegistration {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // What it should be is not known: it has damage.
  }
  return readStored(name, value, revision, 'the database')
}
