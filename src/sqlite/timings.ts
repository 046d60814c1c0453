/** How often the journal's process repeats what it does by the clock. Only tests change these, before they open a journal. */
export const timings = {
  /** How long the process waits at its start for a file that another process has open. */
  handOverWithinMs: 3_000,
  /** How often the process tries to open, or to write, a file that it could not. */
  retryEveryMs: 500,
  /** The process reports that it can write again only after so long without a refusal: one write may find the last room. */
  calmAfterMs: 1_000,
  /** From the end of one search for jobs to forget to the next. */
  retainEveryMs: 1_000,
}
