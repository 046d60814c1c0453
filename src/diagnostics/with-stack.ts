/**
 * Gives an error the stack of a thread, so that the log shows where the thread hangs and not where that was noticed.
 */
import type { ThreadStack } from '../contract/stack.ts'

const NOTES = {
  running: '',
  idle: '\n    (the event loop of the thread waits)',
  'blocked-native': '\n    (the thread is in native code, whose stack cannot be read)',
}

/** Replaces the stack of the error, and returns the error. */
export function withStack<E extends Error>(error: E, { state, frames }: ThreadStack): E {
  const lines = frames.map((frame) => `\n    at ${frame.function} (${frame.url}:${frame.line}:${frame.column})`)
  error.stack = `${error.name}: ${error.message}${lines.join('')}${NOTES[state]}`
  return error
}
