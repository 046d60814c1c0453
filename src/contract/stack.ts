/** The JavaScript stack of a running thread, as diagnostics reads it and HTTP shows it. */
export interface StackFrame {
  function: string
  url: string
  /** Lines and columns count from 1. */
  line: number
  column: number
}

export const STACK_STATES = ['running', 'idle', 'blocked-native'] as const

export interface ThreadStack {
  state: (typeof STACK_STATES)[number]
  /** Innermost first; not more than 200. */
  frames: StackFrame[]
}
