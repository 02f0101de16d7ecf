ALTER TABLE photo_uploads DROP COLUMN objects, DROP COLUMN size_urls, DROP COLUMN widths;
