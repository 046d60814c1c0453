/** What a verb of the command line is. The program, its help, its completion and `docs/cli.md` are made of these. */
import type { Session } from './session.ts'

export interface Verb {
  /** `call <service> <method> [payload...]`. Two words before the arguments are a verb of a verb: `context use <name>`. */
  usage: string
  summary: string
  /** What a person should know beyond the summary. */
  details?: string
  group: VerbGroup
  /** It runs where a verb of a verb is missing: `context` is `context list`. */
  isDefault?: true
  /** Flags, as commander writes them → what they mean. */
  options?: Record<string, string>
  /** A test runs each of them. */
  examples: readonly string[]
  /** @param options what the person gave, by the long names in camel case @throws CliError, PlaneError */
  run: (session: Session, args: string[], options: VerbOptions) => Promise<void>
}

export type VerbOptions = Readonly<Record<string, string | true | undefined>>

export const VERB_GROUPS = ['Services', 'Calls and jobs', 'Watch', 'Diagnose', 'Nodes', 'This program'] as const
export type VerbGroup = (typeof VERB_GROUPS)[number]

/** The text of an option that takes one. */
export function textOf(options: VerbOptions, name: string): string | undefined {
  const value = options[name]
  return value === true ? undefined : value
}
