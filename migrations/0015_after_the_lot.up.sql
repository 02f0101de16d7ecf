-- When a unit left the lot, so that what is done to it afterwards (a late report, a restore) makes its stay no longer.
-- NULL on the lot, and for units that left before this: their last change stands for it.
ALTER TABLE listings ADD COLUMN left_at timestamptz;
-- Machines have no VIN: archived, they are found by their serial.
ALTER TABLE archived_listings ADD COLUMN serial text;
CREATE INDEX archived_listings_serial ON archived_listings (serial) WHERE serial IS NOT NULL;
