DROP TABLE photo_uploads;
ALTER TABLE listings
    DROP COLUMN owners, DROP COLUMN accidents, DROP COLUMN reported_title_brand, DROP COLUMN market_cents;
ALTER TABLE vin_decodes DROP COLUMN api, DROP COLUMN api_errors, DROP COLUMN api_at;
DROP TABLE valuations;
DROP TABLE history_reports;
DROP TABLE enrichment_due;
DROP TABLE providers;
