-- Archived units come back as they left, but for those whose number is in use again. $1 an array of objects keyed
-- by column, each with its price history. Plan: probes of the listing's two unique indexes.
WITH r AS MATERIALIZED (
    SELECT x.listing, x.record FROM (
        SELECT jsonb_populate_record(NULL::listings, item) AS listing, item AS record
        FROM jsonb_array_elements($1::jsonb) item) x
    WHERE NOT EXISTS (SELECT 1 FROM listings l WHERE l.id = (x.listing).id)
      AND NOT EXISTS (SELECT 1 FROM listings l
                      WHERE l.dealer_id = (x.listing).dealer_id AND l.stock_number = (x.listing).stock_number)
),
back AS (
    INSERT INTO listings OVERRIDING SYSTEM VALUE SELECT (r.listing).* FROM r
    RETURNING id, dealer_id, kind, version
),
priced AS (
    INSERT INTO price_history (listing_id, at, price_cents, currency, file_id)
    SELECT (r.listing).id, p.at, p.price_cents, p.currency, p.file_id
    FROM r, jsonb_to_recordset(r.record->'price_history') AS p(at timestamptz, price_cents bigint, currency text, file_id bigint)
    WHERE (r.listing).id IN (SELECT id FROM back)
),
moved AS (
    INSERT INTO listing_moves (listing_id, at, from_dealer_id, from_stock_number, file_id)
    SELECT (r.listing).id, m.at, m.from_dealer_id, m.from_stock_number, m.file_id
    FROM r, jsonb_to_recordset(coalesce(r.record->'moves', '[]'))
        AS m(at timestamptz, from_dealer_id bigint, from_stock_number text, file_id bigint)
    WHERE (r.listing).id IN (SELECT id FROM back)
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'restored', version FROM back
)
SELECT id AS "id!" FROM back
