/** What is recorded of a running thread from outside: `src/diagnostics` writes it to a file, and HTTP sends that. */

/** `file`: absolute path of the file to write; its folder exists. */
export type ProfileRequest =
  | { kind: 'cpu'; file: string; seconds: number; intervalUs: number }
  | { kind: 'allocations'; file: string; seconds: number }
  | { kind: 'heap-snapshot'; file: string }

/**
 * `done`: the file is written. `blocked-native`: the thread did not answer, so it runs native code. `gone`: the thread has
 * ended. `failed`: for another reason, such as a full disk.
 */
export type ProfileOutcome = { kind: 'done' | 'blocked-native' | 'gone' } | { kind: 'failed'; why: string }

/** Longest time for a heap snapshot, in which the thread does nothing else. */
export const SNAPSHOT_WITHIN_MS = 300_000
