ALTER TABLE archived_listings DROP COLUMN serial;
ALTER TABLE listings DROP COLUMN left_at;
