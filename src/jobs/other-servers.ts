/**
 * The other servers that share a store, as the dispatcher tells them what they may wait for. That a job ended elsewhere, or
 * waits for any server, is told to the dispatcher's `notices` in turn. Nothing is lost if one of these messages is.
 */
export interface OtherServers {
  /** Jobs of a service wait in the store. */
  work(service: string): void
  /** A job has ended. */
  finished(id: string): void
  /** A client here waits for the end of a job. */
  watch(id: string): void
  /** The schedules of a service have changed. */
  schedules(service: string): void
  /** Has a job cancelled by the server that runs it. Resolves when that is sure to happen. @throws JOURNAL_UNAVAILABLE */
  requestCancel(id: string): Promise<void>
}

/** The server is alone. */
export const NO_OTHERS: OtherServers = {
  work: () => {},
  finished: () => {},
  watch: () => {},
  schedules: () => {},
  requestCancel: async () => {},
}
