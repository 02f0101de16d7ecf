-- Photos by content: a picture is fetched, decoded and hashed once, however many URLs and units
-- show it.

CREATE TABLE photos (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      text NOT NULL UNIQUE,
    bytes       bigint NOT NULL,
    format      text NOT NULL,
    width       int NOT NULL,
    height      int NOT NULL,
    phash       bigint NOT NULL,
    dhash       bigint NOT NULL,
    upright     bigint NOT NULL,
    mirrored    bigint NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now(),
    -- Compared with every photo before it.
    compared_at timestamptz
);
CREATE INDEX photos_uncompared ON photos (id) WHERE compared_at IS NULL;

-- What each URL led to. Keyed by its digest: a URL may be longer than an index entry.
CREATE TABLE photo_urls (
    key        bytea PRIMARY KEY,
    url        text NOT NULL,
    -- fetched, gone, refused, failed
    state      text NOT NULL,
    photo_id   bigint REFERENCES photos,
    rule       text,
    problem    text,
    tries      int NOT NULL DEFAULT 1,
    fetched_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX photo_urls_photo ON photo_urls (photo_id) WHERE photo_id IS NOT NULL;

CREATE TABLE listing_photos (
    listing_id bigint NOT NULL REFERENCES listings ON DELETE CASCADE,
    place      int NOT NULL,
    url_key    bytea NOT NULL,
    PRIMARY KEY (listing_id, place)
);
CREATE INDEX listing_photos_url ON listing_photos (url_key);

-- Pairs that look alike; the later photo first.
CREATE TABLE photo_pairs (
    photo_id  bigint NOT NULL REFERENCES photos ON DELETE CASCADE,
    other_id  bigint NOT NULL REFERENCES photos ON DELETE CASCADE,
    phash     int NOT NULL,
    dhash     int NOT NULL,
    confirmed boolean NOT NULL,
    PRIMARY KEY (photo_id, other_id)
);
CREATE INDEX photo_pairs_other ON photo_pairs (other_id);

-- Pictures that only say a photo is coming, by content digest.
CREATE TABLE placeholders (
    digest   text PRIMARY KEY,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);
