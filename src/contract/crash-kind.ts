/** The ways in which a service can be crashed on purpose, to see what its supervisor does. */
export const CRASH_KINDS = ['exception', 'exit', 'hang', 'oom'] as const
export type CrashKind = (typeof CRASH_KINDS)[number]
