/** Only tests change these. */
export const timings = {
  /** When a schedule tries again that could not be read, or a tick that could not be cast; doubles with each further try. */
  retryTickAfterMs: 1_000,
  /** The longest time until a tick is tried again. */
  retryTickMaxMs: 30_000,
}
