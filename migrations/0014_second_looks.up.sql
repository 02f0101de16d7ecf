-- The fields that a file's columns fill: one that the file before had a column for, and this one has none, is told of.
ALTER TABLE source_files ADD COLUMN fields text[] NOT NULL DEFAULT '{}',
    -- The file that this is the same as, loaded once more by an operator.
    ADD COLUMN reload_of bigint;
-- A file that is in the ledger already, seen in its drop once more: under another name, or written anew.
CREATE TABLE file_sightings (
    source_id   bigint NOT NULL REFERENCES sources ON DELETE CASCADE,
    name        text NOT NULL,
    bytes       bigint NOT NULL,
    modified_at timestamptz NOT NULL,
    file_id     bigint NOT NULL REFERENCES source_files ON DELETE CASCADE,
    PRIMARY KEY (source_id, name, bytes, modified_at)
);
CREATE INDEX file_sightings_file ON file_sightings (file_id);
-- When a provider's schedule last looked for what is old, so that not every job does.
ALTER TABLE providers ADD COLUMN looked_at timestamptz;
