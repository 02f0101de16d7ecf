-- Units that left the lot long ago, out of the hot tables: compressed objects, an index to find them by, and
-- the way back.

CREATE TABLE archives (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_key text NOT NULL UNIQUE,
    rows       bigint NOT NULL,
    bytes      bigint NOT NULL,
    -- BLAKE3 of the object
    digest     text NOT NULL,
    job_id     bigint NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE archived_listings (
    archive_id   bigint NOT NULL REFERENCES archives,
    line         int NOT NULL,
    listing_id   bigint NOT NULL,
    dealer_id    bigint NOT NULL,
    kind         text NOT NULL,
    stock_number text NOT NULL,
    vin          text,
    restored_at  timestamptz,
    PRIMARY KEY (archive_id, line)
);
CREATE INDEX archived_listings_vin ON archived_listings (vin) WHERE vin IS NOT NULL;
CREATE INDEX archived_listings_number ON archived_listings (dealer_id, stock_number);
CREATE INDEX archived_listings_id ON archived_listings (listing_id);

-- What may be archived: few rows beside those on the lot.
CREATE INDEX listings_off_the_lot ON listings (updated_at) WHERE status IN ('removed', 'sold');
