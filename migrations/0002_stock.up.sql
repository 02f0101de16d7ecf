-- Dealers, their drops, the ledger of every file seen, and the stock itself.

CREATE TABLE dealers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text NOT NULL UNIQUE,
    name        text NOT NULL,
    group_name  text,
    street      text NOT NULL DEFAULT '',
    city        text NOT NULL DEFAULT '',
    state       text NOT NULL DEFAULT '',
    postal_code text NOT NULL DEFAULT '',
    country     text NOT NULL DEFAULT 'US',
    latitude    double precision,
    longitude   double precision,
    time_zone   text NOT NULL DEFAULT 'UTC',
    store_code  text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Credentials are sealed from the first row on: AES-256-GCM under the master key named by
-- `sealed_key_id`, so that keys can be rotated row by row.
CREATE TABLE sources (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text NOT NULL UNIQUE,
    dealer_id     bigint NOT NULL REFERENCES dealers,
    host          text NOT NULL,
    port          int NOT NULL,
    username      text NOT NULL,
    sealed_secret bytea NOT NULL,
    sealed_key_id text NOT NULL,
    host_key      text NOT NULL,
    folder        text NOT NULL,
    pattern       text NOT NULL,
    mapping       text NOT NULL,
    policy        text NOT NULL DEFAULT 'overwrite',
    max_removed_percent int NOT NULL DEFAULT 30,
    paused_at     timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- Every file ever seen. `next_row` is where a cut load goes on.
CREATE TABLE source_files (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id   bigint NOT NULL REFERENCES sources,
    name        text NOT NULL,
    digest      text NOT NULL,
    bytes       bigint NOT NULL,
    modified_at timestamptz,
    seen_at     timestamptz NOT NULL DEFAULT now(),
    object_key  text NOT NULL,
    state       text NOT NULL DEFAULT 'fetched',
    held_reason text,
    released_by text,
    next_row    bigint NOT NULL DEFAULT 0,
    rows        bigint NOT NULL DEFAULT 0,
    created     bigint NOT NULL DEFAULT 0,
    updated     bigint NOT NULL DEFAULT 0,
    unchanged   bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    duplicates  bigint NOT NULL DEFAULT 0,
    removed     bigint NOT NULL DEFAULT 0,
    loaded_at   timestamptz
);
CREATE INDEX source_files_seen ON source_files (source_id, id DESC);

CREATE TABLE source_rejects (
    file_id     bigint NOT NULL REFERENCES source_files ON DELETE CASCADE,
    row         bigint NOT NULL,
    column_name text NOT NULL,
    value       text NOT NULL,
    rule        text NOT NULL,
    message     text NOT NULL,
    row_lost    boolean NOT NULL,
    PRIMARY KEY (file_id, row, column_name, rule)
);

CREATE TABLE listings (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dealer_id       bigint NOT NULL REFERENCES dealers,
    kind            text NOT NULL,
    status          text NOT NULL DEFAULT 'available',
    stock_number    text NOT NULL,
    vin             text,
    serial          text,
    year            bigint,
    make            text,
    model           text,
    "trim"          text,
    body            text,
    category        text,
    fuel            text,
    drivetrain      text,
    transmission    text,
    engine          text,
    cylinders       bigint,
    displacement_cc bigint,
    doors           bigint,
    exterior_color  text,
    interior_color  text,
    condition       text,
    title_brand     text,
    price_cents     bigint,
    msrp_cents      bigint,
    odometer_km     bigint,
    hours           bigint,
    title           text,
    description     text,
    link            text,
    date_in_stock   date,
    parent_stock_number text,
    image_urls      text[] NOT NULL DEFAULT '{}',
    options         text[] NOT NULL DEFAULT '{}',
    attributes      jsonb NOT NULL DEFAULT '{}',
    provenance      jsonb NOT NULL DEFAULT '{}',
    version         bigint NOT NULL DEFAULT 1,
    file_id         bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dealer_id, stock_number)
);
CREATE INDEX listings_vin ON listings (vin) WHERE vin IS NOT NULL;
CREATE INDEX listings_serial ON listings (serial) WHERE serial IS NOT NULL;

CREATE TABLE price_history (
    listing_id  bigint NOT NULL REFERENCES listings ON DELETE CASCADE,
    at          timestamptz NOT NULL DEFAULT now(),
    price_cents bigint,
    file_id     bigint
);
CREATE INDEX price_history_listing ON price_history (listing_id, at);

CREATE TABLE vin_decodes (
    vin        text PRIMARY KEY,
    decoder    text NOT NULL,
    errors     text NOT NULL,
    facts      jsonb NOT NULL,
    decoded_at timestamptz NOT NULL DEFAULT now()
);

-- The listing says one thing, its VIN another. The listing's value stands.
CREATE TABLE contradictions (
    listing_id    bigint NOT NULL REFERENCES listings ON DELETE CASCADE,
    field         text NOT NULL,
    listing_value text NOT NULL,
    vin_value     text NOT NULL,
    seen_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (listing_id, field)
);

-- The append-only change log, written in the listing's own transaction. `position` is stamped by
-- the dispatcher once no earlier transaction can still commit; readers go by position alone.
CREATE TABLE changes (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    listing_id bigint NOT NULL,
    dealer_id  bigint NOT NULL,
    kind       text NOT NULL,
    what       text NOT NULL,
    version    bigint NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    position   bigint
);
CREATE INDEX changes_unstamped ON changes (xid, seq) WHERE position IS NULL;
CREATE UNIQUE INDEX changes_position ON changes (position) WHERE position IS NOT NULL;

CREATE TABLE change_cursors (
    name     text PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0
);
INSERT INTO change_cursors (name) VALUES ('dispatcher');
