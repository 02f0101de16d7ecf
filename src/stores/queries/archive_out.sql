-- Archived units leave the hot tables, if nobody changed them since they were read. $1 archive, then arrays: line,
-- id, version. Plan: a primary-key probe each; what hangs on a listing goes with it, its prices by their own
-- statement.
WITH a AS (
    SELECT * FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS u(line, id, version)
),
gone AS (
    DELETE FROM listings l USING a
    WHERE l.id = a.id AND l.version = a.version AND l.status IN ('removed', 'sold')
    RETURNING l.id, l.dealer_id, l.kind, l.stock_number, l.vin, l.serial, a.line
),
unpriced AS (
    DELETE FROM price_history p USING gone WHERE p.listing_id = gone.id
)
INSERT INTO archived_listings (archive_id, line, listing_id, dealer_id, kind, stock_number, vin, serial)
SELECT $1, line, id, dealer_id, kind, stock_number, vin, serial FROM gone
