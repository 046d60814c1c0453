/** Scopes of a token, and what they allow: `read`, `enqueue:markdown`, `operate:thumb*`. */

export const SCOPES = ['read', 'logs', 'enqueue', 'operate', 'register', 'profile', 'heap', 'metrics', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** Scopes that are not about single services. */
const NOT_NARROWED: ReadonlySet<string> = new Set<Scope>(['metrics', 'admin'])
/** A scope, and what narrows it: a name, or the beginning of names with `*`. */
const GRANT = /^([a-z]+)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\*?))?$/

/** What one text of a token's scopes allows. Without `name` it is for all services. */
interface Grant {
  scope: Scope
  name?: string
}

/** @throws Error that says which scopes there are */
function parseGrant(text: string): Grant {
  const [, scope, name] = GRANT.exec(text) ?? []
  if (!(SCOPES as readonly (string | undefined)[]).includes(scope)) {
    throw new Error(
      `${JSON.stringify(text)} is no scope: the scopes are ${SCOPES.join(', ')}, ` +
        'each for all services, or as read:name for one, or as read:prefix* for some',
    )
  }
  if (name === undefined) return { scope: scope as Scope }
  if (NOT_NARROWED.has(scope as Scope))
    throw new Error(`${scope} is not for single services: write it without :${name}`)
  return { scope: scope as Scope, name }
}

/** Does a name of a service match `markdown`, or `thumb*`? */
function matches(pattern: string, service: string): boolean {
  return pattern.endsWith('*') ? service.startsWith(pattern.slice(0, -1)) : service === pattern
}

/** What the bearer of a token may do. */
export class Access {
  /** The scopes as they are written. */
  readonly scopes: readonly string[]
  readonly #grants: readonly Grant[]
  readonly #isAdmin: boolean

  /** @throws Error about a scope that does not exist */
  constructor(scopes: readonly string[]) {
    this.scopes = scopes
    this.#grants = scopes.map(parseGrant)
    this.#isAdmin = this.#grants.some(({ scope }) => scope === 'admin')
  }

  /** Does it have one of the scopes, for this service? Without a service: for all services. */
  has(scopes: readonly Scope[], service?: string): boolean {
    if (this.#isAdmin) return true
    return this.#grants.some(
      ({ scope, name }) =>
        scopes.includes(scope) && (name === undefined || (service !== undefined && matches(name, service))),
    )
  }

  /** Does it have one of the scopes, for at least one name? */
  hasSome(scopes: readonly Scope[]): boolean {
    return this.#isAdmin || this.#grants.some(({ scope }) => scopes.includes(scope))
  }

  /** Does it have any scope for this service? To a token that has none the service does not exist. */
  sees(service: string): boolean {
    return this.has(SCOPES, service)
  }

  /** The names and beginnings of names that it has one of the scopes for; `undefined`: for all services. */
  namesOf(scopes: readonly Scope[]): string[] | undefined {
    if (this.has(scopes)) return undefined
    return this.#grants.flatMap(({ scope, name }) => (scopes.includes(scope) && name !== undefined ? name : []))
  }
}
