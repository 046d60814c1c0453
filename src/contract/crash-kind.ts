/** The ways in which a service can be crashed on purpose, so that a user can see what the supervisor does. */
export const CRASH_KINDS = ['exception', 'exit', 'hang', 'oom'] as const
export type CrashKind = (typeof CRASH_KINDS)[number]
