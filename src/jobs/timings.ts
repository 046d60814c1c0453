/** Only tests change these. */
export const timings = {
  /** When a schedule tries again that could not be read, or a tick that could not be cast. */
  retryTickAfterMs: 1_000,
}
