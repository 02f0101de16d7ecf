-- The change row and first price of listings just copied in. $1 ids, $2 dealers, $3 kinds, $4 prices (NULL for none),
-- $5 file, $6 what the prices are in (NULL for dollars). Plan: no table is read.
WITH new AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $6::text[]) AS u(id, dealer_id, kind, price_cents, currency)
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'created', 1 FROM new
)
INSERT INTO price_history (listing_id, price_cents, currency, file_id)
SELECT id, price_cents, currency, $5::bigint FROM new WHERE price_cents IS NOT NULL
