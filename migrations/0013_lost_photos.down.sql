ALTER TABLE placeholders DROP COLUMN denied;
ALTER TABLE photo_urls DROP COLUMN etag, DROP COLUMN modified, DROP COLUMN asked_at;
DROP INDEX photo_urls_lost;
