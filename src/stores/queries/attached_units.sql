-- Units that drafts without a VIN or serial may be: attachments, under their own number, of a prime unit that moved here from another
-- rooftop, and gone from there as it is, or there by this source. $1 places, $2 rooftops, $3 kinds, $4 numbers, $5 numbers of their primes; the
-- primes that move in this transaction: $6 rooftop, $7 number, $8 whence, $9 its number there; $10 source.
-- Plan: the primes by listings' unique index, their last move, then a probe of the same index each.
WITH moved AS (
    SELECT m.* FROM unnest($6::bigint[], $7::text[], $8::bigint[], $9::text[])
        AS m(dealer_id, stock_number, from_dealer_id, from_stock_number)
    UNION
    SELECT p.dealer_id, p.stock_number, m.from_dealer_id, m.from_stock_number
    FROM (SELECT DISTINCT u.dealer_id, u.prime FROM unnest($2::bigint[], $5::text[]) u(dealer_id, prime)) u
    JOIN listings p ON p.dealer_id = u.dealer_id AND p.stock_number = u.prime
    JOIN LATERAL (
        SELECT from_dealer_id, from_stock_number FROM listing_moves WHERE listing_id = p.id ORDER BY at DESC LIMIT 1
    ) m ON true
)
SELECT u.place AS "place!", l.id AS "id!", l.dealer_id AS "dealer_id!", d.key AS "dealer!",
    l.stock_number AS "stock_number!", l.version AS "version!"
FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[]) u(place, dealer_id, kind, stock_number, prime)
JOIN moved m ON m.dealer_id = u.dealer_id AND m.stock_number = u.prime AND m.from_dealer_id <> u.dealer_id
JOIN listings l ON l.dealer_id = m.from_dealer_id AND l.stock_number = u.stock_number
    AND l.parent_stock_number = m.from_stock_number AND l.kind = u.kind
    AND (l.status = 'removed' OR l.status IN ('available', 'pending')
         AND EXISTS (SELECT 1 FROM source_files f WHERE f.id = l.file_id AND f.source_id = $10))
JOIN dealers d ON d.id = l.dealer_id
