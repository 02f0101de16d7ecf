-- Parents: which units each stands for, and which rooftops changed since their parents were put
-- together. And feeds that follow the change log by themselves.

CREATE TABLE parent_members (
    listing_id bigint PRIMARY KEY REFERENCES listings ON DELETE CASCADE,
    parent_id  bigint NOT NULL REFERENCES listings ON DELETE CASCADE,
    -- 0 for the prime unit, else its place among the others
    place      int NOT NULL
);
CREATE INDEX parent_members_parent ON parent_members (parent_id, place);

-- A row a change, not a row a rooftop: the dispatcher must never wait for a job's lock.
CREATE TABLE parent_dirty (
    dealer_id bigint NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (dealer_id, position)
);

ALTER TABLE feeds ADD COLUMN due_at timestamptz;
