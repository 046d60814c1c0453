/**
 * The tables of the shared database, as scripts that also bring older ones up to date: one script a version, and a row of
 * `migrations` for each that has run. Scripts are added and never changed. Every time is milliseconds since the epoch by
 * the clock of the database, but `seen_at` and `started_at` of nodes, which only the database compares.
 *
 * Names are in the order of their bytes. Payloads, results, errors and histories are text: `jsonb` refuses the escape of NUL, which JSON allows.
 */
export const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    service text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    -- How many attempts it had when it was last requeued: max_attempts counts from there.
    attempts_before int NOT NULL DEFAULT 0,
    max_attempts int NOT NULL,
    priority smallint NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint,
    -- When the running attempt began, or the attempt that the job ended with.
    begun_at bigint,
    finished_at bigint,
    not_before bigint,
    expires_at bigint,
    -- The node that runs its attempt.
    node uuid,
    -- Its node is to cancel it.
    cancel boolean NOT NULL DEFAULT false,
    -- A JSON text for each attempt before the present one.
    history text[] NOT NULL DEFAULT '{}',
    payload text NOT NULL,
    result text,
    error text,
    -- What the failed jobs with the same cause have in common.
    error_key text,
    traceparent text
  ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
  CREATE INDEX jobs_by_state ON jobs (service, method, state, seq);
  CREATE INDEX jobs_queued ON jobs (service, priority DESC, seq) WHERE state = 'queued';
  CREATE INDEX jobs_scheduled ON jobs (service, not_before) WHERE state = 'scheduled';
  CREATE INDEX jobs_running ON jobs (node) WHERE state = 'running';
  CREATE INDEX jobs_to_cancel ON jobs (node) WHERE state = 'running' AND cancel;
  CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE expires_at IS NOT NULL AND state IN ('queued', 'scheduled');
  CREATE INDEX jobs_finished ON jobs (finished_at, seq) WHERE finished_at IS NOT NULL;
  CREATE INDEX jobs_failed ON jobs (service, method, error_key, finished_at, seq) WHERE state = 'failed';

  -- What failed attempts have logged last: lines of JSON.
  CREATE TABLE attempt_logs (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt int NOT NULL,
    log text NOT NULL,
    PRIMARY KEY (job_id, attempt)
  );

  CREATE TABLE schedules (
    service text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    cron text NOT NULL,
    timezone text NOT NULL,
    method text NOT NULL,
    payload text NOT NULL,
    created_at bigint NOT NULL,
    last_tick_at bigint,
    -- The job of that tick.
    last_job_id uuid,
    PRIMARY KEY (service, name)
  );

  CREATE TABLE idempotency_keys (
    scope text PRIMARY KEY,
    fingerprint text NOT NULL,
    job_id uuid NOT NULL,
    expires_at bigint NOT NULL
  );
  CREATE INDEX keys_by_job ON idempotency_keys (job_id);
  CREATE INDEX keys_expiring ON idempotency_keys (expires_at);

  CREATE TABLE registrations (
    name text PRIMARY KEY,
    revision bigint NOT NULL,
    registration text NOT NULL
  );
  CREATE SEQUENCE revisions;

  -- The last change of any registration, or of any schedule.
  CREATE TABLE changes (kind text PRIMARY KEY, revision bigint NOT NULL) WITH (fillfactor = 50);
  INSERT INTO changes VALUES ('registrations', 0), ('schedules', 0);

  CREATE TABLE nodes (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    url text NOT NULL,
    token text NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    load text NOT NULL DEFAULT '{}'
  ) WITH (fillfactor = 50);

  CREATE TABLE audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    token text,
    via text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    service text,
    target text,
    outcome text NOT NULL,
    code text,
    request_id text NOT NULL
  );
  CREATE INDEX audit_by_time ON audit (at);
  CREATE INDEX audit_refused ON audit (seq) WHERE outcome = 'refused';
  CREATE INDEX audit_by_token ON audit (token, seq) WHERE token IS NOT NULL;
  CREATE INDEX audit_by_service ON audit (service, seq) WHERE service IS NOT NULL;
  CREATE INDEX audit_by_both ON audit (service, token, seq) WHERE service IS NOT NULL AND token IS NOT NULL;
  `,
  // Who has made a schedule: a client, or `threadplane.json`.
  `
  ALTER TABLE schedules ADD COLUMN source text NOT NULL DEFAULT 'http';
  `,
  // The schedule that cast a job.
  `
  ALTER TABLE jobs ADD COLUMN schedule text;
  `,
  // The name of the node of the attempt that `begun_at` is of: unlike `node`, it stays when the attempt has ended.
  `
  ALTER TABLE jobs ADD COLUMN node_name text;
  UPDATE jobs SET node_name = nodes.name FROM nodes WHERE jobs.state = 'running' AND nodes.id = jobs.node;
  `,
  // The transaction that has last changed what a node tells (see beat.ts). Nodes of an older version do not know the column.
  `
  ALTER TABLE nodes ADD COLUMN told_by xid8 NOT NULL DEFAULT pg_current_xact_id();
  CREATE FUNCTION note_telling() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.told_by = pg_current_xact_id(); RETURN NEW; END';
  CREATE TRIGGER nodes_tell BEFORE UPDATE OF load ON nodes FOR EACH ROW WHEN (NEW.load IS DISTINCT FROM OLD.load)
    EXECUTE FUNCTION note_telling();
  `,
]
