-- The queue on PostgreSQL: unfinished jobs in a small hot table, finished ones in a history
-- partitioned by day. A claim changes no indexed column, so it is a HOT update; fillfactor 40
-- leaves room for it on the same page.

-- A lane is a queue and the partner its jobs call: the unit of pausing, limits and fairness.
CREATE TABLE lanes (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue      text NOT NULL,
    partner    text NOT NULL DEFAULT '',
    paused_by  text,
    paused_at  timestamptz,
    UNIQUE (queue, partner)
);

-- What one cause started, and all that followed from it.
CREATE TABLE runs (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause      text NOT NULL,
    subject    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX runs_started ON runs (started_at DESC);

CREATE SEQUENCE job_ids;

CREATE TABLE jobs_hot (
    id           bigint PRIMARY KEY DEFAULT nextval('job_ids'),
    lane         int NOT NULL,
    kind         text NOT NULL,
    version      smallint NOT NULL,
    priority     smallint NOT NULL,
    run_at       timestamptz NOT NULL,
    token        bigint,
    started_at   timestamptz,
    attempt      smallint NOT NULL DEFAULT 0,
    max_attempts smallint NOT NULL,
    snoozes      int NOT NULL DEFAULT 0,
    rescues      smallint NOT NULL DEFAULT 0,
    why          text,
    unique_key   text,
    run_id       bigint,
    created_at   timestamptz NOT NULL DEFAULT now(),
    args         jsonb NOT NULL
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX jobs_ready ON jobs_hot (lane, priority, run_at, id);
CREATE UNIQUE INDEX jobs_unique ON jobs_hot (kind, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX jobs_hot_run ON jobs_hot (run_id) WHERE run_id IS NOT NULL;

-- One row per claimed batch and lane. `open` counts its jobs not yet acknowledged; the row is
-- the lease, and a renewal touches these few rows instead of every job.
CREATE TABLE jobs_claims (
    token  bigint NOT NULL,
    lane   int NOT NULL,
    worker text NOT NULL,
    until  timestamptz NOT NULL,
    open   int NOT NULL,
    batch  int NOT NULL,
    ids    bigint[] NOT NULL,
    PRIMARY KEY (token, lane)
) WITH (fillfactor = 50);
ALTER TABLE jobs_claims ALTER ids SET STORAGE EXTERNAL;

-- `within` uniqueness outlives the job: the key is held until a time.
CREATE TABLE job_keys (
    kind   text NOT NULL,
    key    text NOT NULL,
    job_id bigint NOT NULL,
    until  timestamptz NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE jobs_history (
    id          bigint NOT NULL,
    lane        int NOT NULL,
    kind        text NOT NULL,
    version     smallint NOT NULL,
    priority    smallint NOT NULL,
    state       text NOT NULL,
    attempt     smallint NOT NULL,
    max_attempts smallint NOT NULL,
    snoozes     int NOT NULL,
    rescues     smallint NOT NULL,
    run_id      bigint,
    created_at  timestamptz NOT NULL,
    run_at      timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    worker      text,
    args        jsonb NOT NULL,
    report      jsonb,
    error       jsonb
) PARTITION BY RANGE (finished_at);
CREATE TABLE jobs_history_rest PARTITION OF jobs_history DEFAULT;
CREATE INDEX jobs_history_id ON jobs_history (id);
CREATE INDEX jobs_history_run ON jobs_history (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX jobs_history_dead ON jobs_history (finished_at) WHERE state <> 'done';

-- Attempts that did not end the job; the last attempt stands on the history row itself.
CREATE TABLE job_attempts (
    job_id     bigint NOT NULL,
    attempt    smallint NOT NULL,
    outcome    text NOT NULL,
    started_at timestamptz,
    ended_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    worker     text,
    error      jsonb
);
CREATE INDEX job_attempts_job ON job_attempts (job_id, ended_at);
CREATE INDEX job_attempts_ended ON job_attempts (ended_at);

-- Who is alive: one row per process, its own boot name, refreshed with the leases.
CREATE TABLE workers (
    name       text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    queues     text[] NOT NULL
);

-- A partition for each of the coming days, so that pruning old history drops tables instead of
-- rows. A day whose rows already went to the default partition stays there.
CREATE FUNCTION ensure_history_days(ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    first_day date := current_date;
    made int := 0;
    day date;
BEGIN
    FOR day IN SELECT first_day + n FROM generate_series(0, ahead) n LOOP
        IF to_regclass('jobs_history_' || to_char(day, 'YYYYMMDD')) IS NULL
           AND NOT EXISTS (SELECT 1 FROM jobs_history_rest
                           WHERE finished_at >= day AND finished_at < day + 1) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF jobs_history FOR VALUES FROM (%L) TO (%L)',
                'jobs_history_' || to_char(day, 'YYYYMMDD'), day, day + 1);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
