/**
 * Where registrations are kept: what was registered over HTTP, and what a person wants to run. The registry knows this
 * interface only. Beside the file there may be a database that several servers share: so a change names the revision that
 * it starts from, and changes of others are watched.
 */
import { z } from 'zod'
import { ThreadplaneError } from '../contract/errors.ts'
import { registrationOptionsSchema } from '../contract/options.ts'

export const registrationSchema = z.strictObject({
  /** Absent where the service comes from the folder of modules and was never registered over HTTP. */
  module: z.string().optional(),
  options: registrationOptionsSchema.optional(),
  desiredState: z.enum(['running', 'stopped']).optional(),
  /** Paused, until it is resumed, stopped or restarted. Only where several servers share the store: each pauses it. */
  paused: z.literal(true).optional(),
  /** Deleted over HTTP: its file in the folder of modules is no service until it is registered again. */
  deleted: z.literal(true).optional(),
})

export type Registration = z.infer<typeof registrationSchema>

export interface StoredRegistration {
  registration: Registration
  /** Another one after each change, and never one that was there before. */
  revision: number
  /** Why it cannot be used: it is damaged, or of another version. Then `registration` has only what can be read of it. */
  damage?: Error
}

/**
 * What is stored of a registration, as the registry reads it. If it cannot be used, it has `damage`.
 * @param place where it is stored, for the message
 */
export function readStored(name: string, stored: unknown, revision: number, place: string): StoredRegistration {
  const { data, error } = registrationSchema.safeParse(stored)
  if (data !== undefined) return { registration: data, revision }
  const issues = error.issues.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message))
  const detail = `its registration in ${place} cannot be used, PUT or DELETE it: ${issues.join('; ')}`
  const damage = new ThreadplaneError('VALIDATION_FAILED', detail, { service: name, errors: [] })
  return { registration: readablePart(stored), revision, damage }
}

/** The members that are right by themselves; the options only as a whole. */
function readablePart(stored: unknown): Registration {
  const members = typeof stored === 'object' && stored !== null ? Object.entries(stored) : []
  return Object.fromEntries(members.filter(([key, value]) => registrationSchema.safeParse({ [key]: value }).success))
}

/** @param stored `undefined`: there is no registration of that name any more */
export type RegistrationListener = (name: string, stored: StoredRegistration | undefined) => void

export interface RegistrationStore {
  /** Do other servers read and change the same registrations? */
  readonly isShared: boolean
  /** All registrations, by the name of their service. */
  read(): Promise<Map<string, StoredRegistration>>
  /**
   * Writes a registration, or removes it (`undefined`), if the stored revision is still the expected one; `undefined`
   * expects that there is none. Resolves once it is on disk: true; or false if somebody else changed it first. Until it
   * resolves nothing has changed for readers.
   * @throws JOURNAL_UNAVAILABLE
   */
  set(name: string, registration: Registration | undefined, expected: number | undefined): Promise<boolean>
  /** Calls the listener after each change, of this server (before its `set` resolves) or of another. */
  watch(listener: RegistrationListener): void
}
