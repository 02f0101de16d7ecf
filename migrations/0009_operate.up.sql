-- Operating jobs: actions on a filter, run as a job, with a result per row.

CREATE TABLE bulks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- retry, cancel, delete, reprioritise, move
    action     text NOT NULL,
    detail     jsonb NOT NULL,
    filter     jsonb NOT NULL,
    who        text NOT NULL,
    -- Jobs that matched when it was accepted; what is enqueued later is not touched.
    matched    bigint NOT NULL,
    newest     bigint NOT NULL,
    -- The job looked at last, downwards.
    at_job     bigint NOT NULL,
    done       bigint NOT NULL DEFAULT 0,
    skipped    bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);

-- What came of each job; written in the transaction that acts where the action is PostgreSQL's alone.
CREATE TABLE bulk_results (
    bulk_id bigint NOT NULL REFERENCES bulks ON DELETE CASCADE,
    job_id  bigint NOT NULL,
    result  text NOT NULL,
    PRIMARY KEY (bulk_id, job_id)
);

-- Charts and paces ask for the last minutes of a day's history. A block range costs a write next to nothing.
CREATE INDEX jobs_history_finished ON jobs_history USING brin (finished_at) WITH (pages_per_range = 16, autosummarize = on);
-- Newest first, of one state: by id, as every list is.
DROP INDEX jobs_history_dead;
CREATE INDEX jobs_history_dead ON jobs_history (state, id) WHERE state <> 'done';
CREATE INDEX bulks_created ON bulks (created_at DESC);
