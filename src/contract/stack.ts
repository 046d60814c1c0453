/** The JavaScript stack of a running thread, as `src/diagnostics` reads it and HTTP shows it. */
export interface StackFrame {
  function: string
  url: string
  /** Lines and columns count from 1. */
  line: number
  column: number
}

/**
 * `running`: JavaScript. `idle`: the event loop waits. `blocked-native`: in native code, whose stack cannot be read.
 */
export const STACK_STATES = ['running', 'idle', 'blocked-native'] as const

export interface ThreadStack {
  state: (typeof STACK_STATES)[number]
  /** Innermost first, at most 200. Empty unless the state is `running`. */
  frames: StackFrame[]
}
