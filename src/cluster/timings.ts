/** How long the database and other nodes are waited for, and how often they are asked. Only tests change these. */
export const timings = {
  /** From one beat to the next, while the database answers. */
  beatEveryMs: 1_000,
  /** What others are to know soon is told by a beat after this time, together with what comes meanwhile. */
  beatSoonMs: 50,
  /** From the end of an outage to the first beat: statements that were refused until then come first. */
  firstBeatAfterMs: 100,
  /** A beat, or a new connection for it, that takes longer says that the database hangs. */
  beatWithinMs: 700,
  /** From a failed beat to the next try. */
  retryEveryMs: 25,
  /** And at least this times the number of nodes: a database that starts has to answer each try of all of them. */
  retryMsPerNode: 8,
  /** The database itself ends a statement after this time. */
  statementWithinMs: 5_000,
  /** The database ends the wait of a statement for a lock after this time. */
  lockWithinMs: 3_000,
  /** The answer to a statement is waited for no longer than this. */
  answerWithinMs: 6_000,
  /** A statement waits no longer than this for a free connection. */
  connectionWithinMs: 2_000,
  /** From when a connection for statements is open, the first one free, until the next one may be opened. */
  openNextAfterMs: 100,
  /** At the start, the database is waited for no longer than this. */
  openWithinMs: 10_000,
  /** A cast whose answer was lost is repeated if the database is back within this time, and else refused. */
  repeatWithinMs: 100,
  /** From the end of one search for what is old to the next, of all nodes together, on average. */
  upkeepEveryMs: 1_000,
  /** So long, the end of the store waits for the operations that are under way. */
  closeWithinMs: 2_000,
  /** Hints that come within this time are sent together. */
  hintAfterMs: 5,
  /** A lost connection for hints is made anew after this time. */
  listenAgainAfterMs: 200,
  /** A node whose beat is older than this has gone. */
  leaseMs: 5_000,
  /** Within this time another node says what it knows, for an answer to a client. */
  showWithinMs: 200,
  /** A node that is to go on behind a cursor of its own has to answer within this time. */
  resumedWithinMs: 2_000,
  /** Of a stream of another node: two of its heartbeats have not come. */
  silentMs: 40_000,
  /** A client waits this long until other nodes have done what it has changed: a node that takes longer does it later. */
  followedWithinMs: 5_000,
  /** A call waits this long for a beat that says where its service runs. */
  newsWithinMs: 2_000,
}
