-- Which badge files reports still name: their raw copies are kept as long.
CREATE INDEX history_reports_raw ON history_reports (raw_key) WHERE raw_key LIKE 'raw/%';
-- Whose word it is, so that another's removal leaves it.
ALTER TABLE vin_decodes ADD COLUMN api_by text;
UPDATE vin_decodes SET api_by = (SELECT name FROM providers WHERE kind = 'vin' ORDER BY name LIMIT 1) WHERE api_at IS NOT NULL;
-- Of two who value a vehicle on one day the later one's word stands.
ALTER TABLE valuations ADD COLUMN said_at timestamptz NOT NULL DEFAULT now();
-- Stays on the lot that ended: of a unit whose number another unit has now, and of one that came back after a month. What there
-- is in `listings` is the stay that lasts.
CREATE TABLE listing_pasts (
    listing_id  bigint NOT NULL,
    dealer_id   bigint NOT NULL REFERENCES dealers,
    stock_number text NOT NULL,
    vin         text,
    serial      text,
    title       text NOT NULL,
    -- 'removed' or 'sold'; 'replaced' when it was on the lot as another unit took its number
    status      text NOT NULL,
    first_seen  timestamptz NOT NULL,
    left_at     timestamptz NOT NULL,
    days        int NOT NULL,
    first_price_cents bigint,
    first_currency text,
    price_cents bigint,
    currency    text,
    PRIMARY KEY (listing_id, left_at)
);
CREATE INDEX listing_pasts_vin ON listing_pasts (vin) WHERE vin IS NOT NULL;
CREATE INDEX listing_pasts_serial ON listing_pasts (serial) WHERE serial IS NOT NULL;
CREATE INDEX listing_pasts_number ON listing_pasts (dealer_id, stock_number);
-- Which unit a refused cell is of, and how many cells a file's load refused: values that cost no row.
ALTER TABLE source_rejects ADD COLUMN stock_number text NOT NULL DEFAULT '';
ALTER TABLE source_files ADD COLUMN values_refused bigint NOT NULL DEFAULT 0;
