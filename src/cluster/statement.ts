/**
 * The statements that the store sends. Each has a name, so that a connection prepares it once, and its text never changes:
 * what differs is in the values. A test explains the plan of every statement in the list.
 */
export interface Statement {
  name: string
  text: string
}

/** All statements of the modules that are loaded. */
export const statements = new Map<string, Statement>()

export function statement(name: string, text: string): Statement {
  if (statements.has(name)) throw new Error(`there are two statements with the name ${name}`)
  const made = { name, text }
  statements.set(name, made)
  return made
}

/** What the database answered. `count`: the rows that were changed, or read. */
export interface Answer<Row> {
  rows: Row[]
  count: number
}

/** Runs a statement on one connection. */
export type Run = <Row = unknown>(statement: Statement, values: unknown[]) => Promise<Answer<Row>>
