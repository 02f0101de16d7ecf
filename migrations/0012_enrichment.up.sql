-- Enrichment: who is asked about a unit, what is to be asked next, and what they said.

-- Services that know something of a vehicle, or take its photos.
CREATE TABLE providers (
    name           text PRIMARY KEY,
    -- vin, history, valuation, upload
    kind           text NOT NULL CHECK (kind IN ('vin', 'history', 'valuation', 'upload')),
    url            text NOT NULL,
    -- what its kind needs besides: selectors of a page, a token's address, a region
    settings       jsonb NOT NULL DEFAULT '{}',
    sealed_secret  bytea NOT NULL,
    sealed_key_id  text NOT NULL,
    enabled        boolean NOT NULL DEFAULT true,
    -- what it said is asked again after so many days
    refresh_days   int NOT NULL CHECK (refresh_days BETWEEN 1 AND 3650),
    -- calls under way at once
    at_once        int NOT NULL DEFAULT 4 CHECK (at_once BETWEEN 1 AND 64),
    changed_at     timestamptz NOT NULL DEFAULT now()
);

-- What is to be asked, once each however many units want it. A row is deleted in the transaction that keeps the answer.
CREATE TABLE enrichment_due (
    provider text NOT NULL REFERENCES providers ON DELETE CASCADE,
    -- a VIN, or the digest of a photo
    subject  text NOT NULL,
    -- 0 new units, 1 changed ones, 2 what is only old
    priority smallint NOT NULL,
    due_at   timestamptz NOT NULL DEFAULT now(),
    tries    int NOT NULL DEFAULT 0,
    problem  text,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX enrichment_due_next ON enrichment_due (provider, priority, due_at);

-- The newest report of each provider; its page, as it came, is object raw_key.
CREATE TABLE history_reports (
    vin         text NOT NULL,
    provider    text NOT NULL,
    -- told; none: the provider knows nothing; drift: its page could not be read
    state       text NOT NULL,
    owners      int,
    accidents   int,
    title_brand text,
    -- service records and odometer readings, oldest first
    records     jsonb NOT NULL DEFAULT '[]',
    report_url  text,
    raw_key     text,
    problem     text,
    fetched_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (vin, provider)
);
CREATE INDEX history_reports_drift ON history_reports (provider) WHERE state = 'drift';

-- What a vehicle is worth, by mileage and day; kept for its history.
CREATE TABLE valuations (
    vin             text NOT NULL,
    provider        text NOT NULL,
    -- miles, in steps of a thousand
    odometer_bucket int NOT NULL,
    region          text NOT NULL,
    day             date NOT NULL,
    -- below, average, above; NULL when the provider knows no such vehicle
    wholesale_cents bigint[],
    retail_cents    bigint[],
    sales           int NOT NULL DEFAULT 0,
    PRIMARY KEY (vin, provider, odometer_bucket, region, day)
);

-- The second source about a VIN: the decoder's API.
ALTER TABLE vin_decodes ADD COLUMN api jsonb, ADD COLUMN api_errors text, ADD COLUMN api_at timestamptz;

-- What partners report of a unit.
ALTER TABLE listings
    ADD COLUMN owners bigint, ADD COLUMN accidents bigint, ADD COLUMN reported_title_brand text,
    ADD COLUMN market_cents bigint;

-- Photos that a service or our own storage shows.
CREATE TABLE photo_uploads (
    photo_id    bigint NOT NULL REFERENCES photos ON DELETE CASCADE,
    provider    text NOT NULL REFERENCES providers ON DELETE CASCADE,
    url         text NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (photo_id, provider)
);
