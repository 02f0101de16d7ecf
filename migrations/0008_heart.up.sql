-- The heart: limits and breakers the whole cluster shares, the outbox of the Redis engine, fenced locks and
-- throttles, the effects ledger, cancelling and progress of running jobs, logs of attempts, and the cron
-- ledger's overlap and catch-up. All additions: code of the day before runs on beside it.

-- A limit of a whole queue, over every process.
CREATE TABLE queues (
    name        text PRIMARY KEY,
    max_running int CHECK (max_running > 0)
);

-- Somebody we call: its breaker, its limits. `state` is closed, open, isolated or forced_closed; an open
-- breaker whose `until` has passed is half open. `version` fences every transition.
CREATE TABLE partners (
    name             text PRIMARY KEY,
    max_running      int CHECK (max_running > 0),
    calls_per_second float8 CHECK (calls_per_second > 0),
    state            text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'isolated', 'forced_closed')),
    reason           text,
    changed_by       text,
    changed_at       timestamptz NOT NULL DEFAULT now(),
    until            timestamptz,
    break_seconds    float8 NOT NULL DEFAULT 0,
    -- The one probe of a half-open breaker: leased, so that one that never returns does not hold it.
    probe            bigint,
    probe_until      timestamptz,
    -- When it last closed after a break: release is staggered from here.
    closed_at        timestamptz,
    version          bigint NOT NULL DEFAULT 0
);

-- Calls in slices of five seconds, summed over every process: the rolling window.
CREATE TABLE partner_calls (
    partner  text NOT NULL,
    slice    timestamptz NOT NULL,
    calls    int NOT NULL DEFAULT 0,
    failures int NOT NULL DEFAULT 0,
    slow     int NOT NULL DEFAULT 0,
    retries  int NOT NULL DEFAULT 0,
    PRIMARY KEY (partner, slice)
) WITH (fillfactor = 50);

-- Every transition of a breaker, for ever readable.
CREATE TABLE partner_events (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partner text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    was     text NOT NULL,
    became  text NOT NULL,
    why     text NOT NULL,
    who     text
);
CREATE INDEX partner_events_of ON partner_events (partner, id DESC);

-- Locks that correctness rests on: `epoch` grows with every owner and fences what an old one still writes.
CREATE TABLE locks (
    name  text PRIMARY KEY,
    owner text NOT NULL,
    epoch bigint NOT NULL,
    until timestamptz NOT NULL
);

-- Token buckets shared by every process.
CREATE TABLE throttles (
    name      text PRIMARY KEY,
    tokens    float8 NOT NULL,
    filled_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Redis engine: jobs committed here and not yet handed to Redis. The job itself stays in jobs_hot until its
-- end is written to the history, so that a lost Redis can be built again.
CREATE TABLE outbox (job_id bigint PRIMARY KEY) WITH (autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);

-- What a job has done outside, once: a second delivery finds the row and does nothing.
CREATE TABLE effects (
    job_id  bigint NOT NULL,
    step    text NOT NULL,
    digest  text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, step)
);
CREATE INDEX effects_made ON effects (made_at);

-- The lines an attempt logged, bounded.
CREATE TABLE job_logs (
    job_id   bigint NOT NULL,
    attempt  smallint NOT NULL,
    lines    jsonb NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_logs_job ON job_logs (job_id);
CREATE INDEX job_logs_ended ON job_logs (ended_at);

-- Neither is indexed but by the partial one: a claim stays a HOT update.
ALTER TABLE jobs_hot ADD COLUMN cancel_by text, ADD COLUMN progress jsonb;
CREATE INDEX jobs_cancelling ON jobs_hot (id) WHERE cancel_by IS NOT NULL;

ALTER TABLE schedules
    ADD COLUMN overlap text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'buffer_one', 'allow')),
    -- A tick missed by more than this is written down as missed; the newest within it is caught up.
    ADD COLUMN catch_up_seconds bigint NOT NULL DEFAULT 86400 CHECK (catch_up_seconds >= 0),
    ADD COLUMN paused_by text,
    -- buffer_one: the tick that waits for the run before it to end.
    ADD COLUMN buffered_at timestamptz;

ALTER TABLE alerts ADD COLUMN delivered_at timestamptz;

-- Who did what to what.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    who     text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  jsonb
);
CREATE INDEX audit_at ON audit (at DESC);
