-- What a drop asks of us: how to log in, when a file is whole, what becomes of it after its load.

ALTER TABLE sources
    -- password or key; either is in sealed_secret
    ADD COLUMN login text NOT NULL DEFAULT 'password' CHECK (login IN ('password', 'key')),
    -- at_once, twice (the same size and time at two looks) or marker (a file of its name and `marker` lies beside it)
    ADD COLUMN settle text NOT NULL DEFAULT 'at_once' CHECK (settle IN ('at_once', 'twice', 'marker')),
    ADD COLUMN marker text NOT NULL DEFAULT '' CHECK ((settle = 'marker') = (marker <> '')),
    -- leave, move (to after_folder) or delete
    ADD COLUMN after_load text NOT NULL DEFAULT 'leave' CHECK (after_load IN ('leave', 'move', 'delete')),
    ADD COLUMN after_folder text NOT NULL DEFAULT '' CHECK ((after_load = 'move') = (after_folder <> ''));

-- Mappings of one's own; a version is never changed.
CREATE TABLE mappings (
    name    text NOT NULL,
    version int NOT NULL,
    yaml    text NOT NULL,
    put_by  text NOT NULL,
    put_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);
-- Which version read the file; NULL for a built-in one.
ALTER TABLE source_files ADD COLUMN mapping_version int;
