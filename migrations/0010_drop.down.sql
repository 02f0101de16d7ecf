ALTER TABLE sources DROP COLUMN login, DROP COLUMN settle, DROP COLUMN marker, DROP COLUMN after_load, DROP COLUMN after_folder;
ALTER TABLE source_files DROP COLUMN mapping_version;
DROP TABLE mappings;
