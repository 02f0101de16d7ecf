-- Where our own storage shows a photo smaller, and which objects are to be deleted with it.
ALTER TABLE photo_uploads ADD COLUMN widths int[] NOT NULL DEFAULT '{}',
    ADD COLUMN size_urls text[] NOT NULL DEFAULT '{}',
    ADD COLUMN objects text[] NOT NULL DEFAULT '{}';
