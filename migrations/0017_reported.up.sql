-- Up to when a source's dealer was told of his files, and from when that report told: the next goes on there, and the same
-- day's is written again whole.
ALTER TABLE sources ADD COLUMN reported_at timestamptz, ADD COLUMN reported_since timestamptz;
