/**
 * The tables of the journal, as scripts that also bring an older file up to date: one script per version. `PRAGMA
 * user_version` counts the scripts that have run. Scripts are added and never changed.
 *
 * Payloads have a table of their own: each attempt rewrites the row of its job, and must not rewrite the payload.
 */
export const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    service TEXT NOT NULL,
    method TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    maxAttempts INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    createdAt INTEGER NOT NULL,
    startedAt INTEGER,
    finishedAt INTEGER,
    notBefore INTEGER,
    expiresAt INTEGER,
    history TEXT NOT NULL DEFAULT '[]',
    result TEXT,
    error TEXT,
    traceparent TEXT
  ) STRICT;
  CREATE INDEX jobsByState ON jobs (service, method, state, seq);
  CREATE INDEX jobsQueued ON jobs (service, priority DESC, seq) WHERE state = 'queued';
  CREATE INDEX jobsScheduled ON jobs (service, notBefore) WHERE state = 'scheduled';
  CREATE INDEX jobsExpiring ON jobs (expiresAt) WHERE expiresAt IS NOT NULL AND state IN ('queued', 'scheduled');
  CREATE INDEX jobsFinished ON jobs (finishedAt) WHERE finishedAt IS NOT NULL;

  CREATE TABLE payloads (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT;

  CREATE TABLE schedules (
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    timezone TEXT NOT NULL,
    method TEXT NOT NULL,
    payload TEXT NOT NULL,
    createdAt INTEGER NOT NULL,
    lastTickAt INTEGER,
    PRIMARY KEY (service, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE idempotencyKeys (
    scope TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    jobId TEXT NOT NULL,
    expiresAt INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX keysByJob ON idempotencyKeys (jobId);
  CREATE INDEX keysExpiring ON idempotencyKeys (expiresAt);
  `,
  // How many attempts a job had when it was last requeued: `maxAttempts` counts from there.
  `
  ALTER TABLE jobs ADD COLUMN attemptsBefore INTEGER NOT NULL DEFAULT 0;
  `,
  // The running attempt, or the one that a job ended with, is a number in its row and not in `history`: to begin or to
  // succeed rewrites no text.
  `
  ALTER TABLE jobs ADD COLUMN begunAt INTEGER;
  UPDATE jobs SET history = json_remove(history, '$[#-1]'),
    begunAt = CAST(round(unixepoch(json_extract(history, '$[#-1].startedAt'), 'subsec') * 1000) AS INTEGER)
    WHERE state = 'running';
  `,
  // An attempt that ended with the server was recognised by the message of its error; now by the reason.
  `
  UPDATE jobs SET history = json_set(history, '$[#-1].error.reason', 'SERVER_ENDED')
    WHERE history ->> '$[#-1].error.code' = 'THREAD_DIED'
      AND history ->> '$[#-1].error.message' = 'the server ended during the attempt';
  UPDATE jobs SET error = json_set(error, '$.reason', 'SERVER_ENDED')
    WHERE error ->> '$.code' = 'THREAD_DIED' AND error ->> '$.message' = 'the server ended during the attempt';
  `,
  // The jobs that are `failed`, with the key of their error. A table of its own, as an index on `jobs` would read every job
  // when it is created: a start with a million jobs would take seconds. Jobs that failed before, up to a number of their
  // order, get their keys while the server runs.
  `
  CREATE TABLE failures (
    seq INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    method TEXT NOT NULL,
    errorKey TEXT NOT NULL,
    failedAt INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX failuresByKey ON failures (service, method, errorKey, failedAt);
  CREATE TABLE failuresToKey (upTo INTEGER NOT NULL) STRICT;
  INSERT INTO failuresToKey SELECT max(seq) FROM jobs HAVING max(seq) IS NOT NULL;
  `,
  // Who changed what, and who was refused. Most rows are about no service, or of no token: the indexes leave them out.
  `
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    token TEXT,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    service TEXT,
    target TEXT,
    outcome TEXT NOT NULL,
    code TEXT,
    requestId TEXT NOT NULL
  ) STRICT;
  CREATE INDEX auditByTime ON audit (at);
  CREATE INDEX auditRefused ON audit (outcome, seq) WHERE outcome = 'refused';
  CREATE INDEX auditByToken ON audit (token, seq) WHERE token IS NOT NULL;
  CREATE INDEX auditByService ON audit (service, seq) WHERE service IS NOT NULL;
  CREATE INDEX auditByBoth ON audit (service, token, seq) WHERE service IS NOT NULL AND token IS NOT NULL;
  `,
  // What the failed attempts of a job have logged last.
  `
  CREATE TABLE attemptLogs (
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    log TEXT NOT NULL,
    PRIMARY KEY (seq, attempt)
  ) STRICT;
  `,
  // Who has made a schedule: a client, or `threadplane.json`.
  `
  ALTER TABLE schedules ADD COLUMN source TEXT NOT NULL DEFAULT 'http';
  `,
  // The schedule that cast a job.
  `
  ALTER TABLE jobs ADD COLUMN schedule TEXT;
  `,
]
