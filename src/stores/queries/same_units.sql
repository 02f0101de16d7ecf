-- Units that drafts of unknown numbers may be: by VIN, or by serial and make. $1 places, $2 rooftops, $3 kinds, $4 VINs,
-- $5 serials, $6 makes (NULL where a draft has none). At the draft's own rooftop under another number, on the lot or
-- gone; at another of its group only when it is gone from there.
-- Plan: probes of listings_vin and listings_serial, then dealers by primary key.
SELECT u.place AS "place!", l.id AS "id!", l.dealer_id AS "dealer_id!", l.stock_number AS "stock_number!"
FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS u(place, dealer_id, kind, vin, serial, make)
JOIN LATERAL (
    SELECT id, dealer_id, stock_number, status FROM listings WHERE vin = u.vin AND kind = u.kind
    UNION
    SELECT id, dealer_id, stock_number, status FROM listings
    WHERE serial = u.serial AND kind = u.kind AND lower(make) = lower(u.make)
) l ON l.status IN ('available', 'pending', 'removed')
JOIN dealers own ON own.id = u.dealer_id
LEFT JOIN dealers other ON other.id = l.dealer_id
WHERE l.dealer_id = own.id OR (l.status = 'removed' AND other.group_name = own.group_name AND own.group_name <> '')
