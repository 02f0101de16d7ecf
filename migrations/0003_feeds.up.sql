-- Feeds and their runs, the cron ledger, alerts and keys.

CREATE TABLE feeds (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    name       text NOT NULL,
    definition jsonb NOT NULL,
    latest_run_id bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE feed_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed_id     bigint NOT NULL REFERENCES feeds ON DELETE CASCADE,
    job_id      bigint NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    state       text NOT NULL DEFAULT 'building',
    held_reason text,
    position    bigint NOT NULL DEFAULT 0,
    rows        bigint NOT NULL DEFAULT 0,
    excluded    bigint NOT NULL DEFAULT 0,
    bytes       bigint NOT NULL DEFAULT 0,
    digest      text,
    object_key  text,
    diagnostics jsonb NOT NULL DEFAULT '[]',
    previous_run_id bigint,
    UNIQUE (feed_id, job_id)
);
CREATE INDEX feed_runs_feed ON feed_runs (feed_id, id DESC);

CREATE TABLE feed_exclusions (
    feed_run_id bigint NOT NULL REFERENCES feed_runs ON DELETE CASCADE,
    listing_id  bigint NOT NULL,
    reasons     text[] NOT NULL,
    PRIMARY KEY (feed_run_id, listing_id)
);

CREATE TABLE schedules (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    cron       text NOT NULL,
    time_zone  text NOT NULL,
    kind       text NOT NULL,
    args       jsonb NOT NULL,
    paused_at  timestamptz,
    -- The ledger is complete up to here: every tick at or before it has its row.
    ticked_to  timestamptz NOT NULL DEFAULT now()
);

-- One row per expected tick, inserted in the transaction that enqueues its job.
CREATE TABLE schedule_ticks (
    schedule_id bigint NOT NULL REFERENCES schedules ON DELETE CASCADE,
    tick_at     timestamptz NOT NULL,
    verdict     text NOT NULL,
    job_id      bigint,
    made_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule_id, tick_at)
);

CREATE TABLE alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what            text NOT NULL,
    severity        text NOT NULL,
    subject         text NOT NULL,
    message         text NOT NULL,
    since           timestamptz NOT NULL DEFAULT now(),
    acknowledged_by text,
    resolved_at     timestamptz
);
CREATE UNIQUE INDEX alerts_open ON alerts (what, subject) WHERE resolved_at IS NULL;

-- Keys are kept as SHA-256 of 256 random bits: nothing to guess, so nothing to stretch.
CREATE TABLE api_keys (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    scopes     text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
