ALTER TABLE sources DROP COLUMN reported_since, DROP COLUMN reported_at;
