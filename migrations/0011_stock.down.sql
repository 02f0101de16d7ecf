DROP INDEX source_files_object;
ALTER TABLE listings DROP COLUMN price_to_cents;
DELETE FROM price_history WHERE listing_id NOT IN (SELECT id FROM listings);
ALTER TABLE price_history ADD CONSTRAINT price_history_listing_id_fkey
    FOREIGN KEY (listing_id) REFERENCES listings ON DELETE CASCADE;
DROP INDEX price_history_at;
DROP TABLE listing_moves;
ALTER TABLE sources
    DROP COLUMN url,
    DROP COLUMN report_folder,
    DROP COLUMN attachments,
    DROP COLUMN grace_hours,
    DROP COLUMN grace_files,
    DROP CONSTRAINT sources_policy;
