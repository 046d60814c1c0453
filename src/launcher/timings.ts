/** The waits of the launcher. They are in an object, and not constants, so that tests can change them. */
export const timings = {
  /** How often, and after which delays, a server that has died is started again. */
  restarts: { maxRestarts: 5, periodMs: 60_000, backoffMs: 100, backoffMaxMs: 500 },
  /** How much longer than THREADPLANE_SHUTDOWN_TIMEOUT the server may take to close before it is killed. */
  overtimeMs: 2_000,
  /** npm sends SIGINT again after a Ctrl-C: a second SIGINT within this time is no second request to end. */
  echoWithinMs: 500,
  /** The wait for the last output of a server that has died: a process that it started may hold the pipe for ever. */
  readOutputWithinMs: 500,
}
