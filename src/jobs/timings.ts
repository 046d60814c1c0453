/** Only tests change these. */
export const timings = {
  /** The longest wait of a client for an answer of the store. */
  storeAnswersWithinMs: 5_000,
  /** When a schedule tries again that could not be read, or a tick that could not be cast; doubles with each further try. */
  retryTickAfterMs: 1_000,
  /** The longest time until a tick is tried again. */
  retryTickMaxMs: 30_000,
}
