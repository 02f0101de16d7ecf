-- Addresses that lead to no photo are few, and asked for by themselves.
CREATE INDEX photo_urls_lost ON photo_urls (fetched_at DESC) WHERE state IN ('gone', 'refused', 'failed');
-- What a host said of a photo when it gave it out, for the question whether it is the same still (RFC 9110, 13.1).
ALTER TABLE photo_urls ADD COLUMN etag text, ADD COLUMN modified text, ADD COLUMN asked_at timestamptz;
-- Placeholders learnt from repetition that an operator does not believe in.
ALTER TABLE placeholders ADD COLUMN denied boolean NOT NULL DEFAULT false;
