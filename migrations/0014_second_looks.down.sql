ALTER TABLE providers DROP COLUMN looked_at;
DROP TABLE file_sightings;
ALTER TABLE source_files DROP COLUMN fields, DROP COLUMN reload_of;
