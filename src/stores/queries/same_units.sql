-- Units that drafts of unknown numbers may be: by VIN; or by serial, make and model, where no VIN says otherwise. $1
-- places, $2 rooftops, $3 kinds, $4 VINs, $5 serials, $6 makes, $7 models (NULL where a draft has none), $8 source. At the
-- draft's own rooftop or another of its group, gone, or on the lot by this source (whose file does not name it there any more: that
-- is for the caller to look).
-- Plan: probes of listings_vin and listings_serial, then dealers and files by primary key.
SELECT u.place AS "place!", l.id AS "id!", l.dealer_id AS "dealer_id!", other.key AS "dealer!",
    l.stock_number AS "stock_number!", l.version AS "version!"
FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS u(place, dealer_id, kind, vin, serial, make, model)
JOIN LATERAL (
    SELECT id, dealer_id, stock_number, status, file_id, version FROM listings WHERE vin = u.vin AND kind = u.kind
    UNION
    SELECT id, dealer_id, stock_number, status, file_id, version FROM listings
    WHERE serial = u.serial AND kind = u.kind AND lower(make) = lower(u.make) AND lower(model) = lower(u.model)
      AND (vin IS NULL OR u.vin IS NULL OR vin = u.vin)
) l ON l.status IN ('available', 'pending', 'removed')
JOIN dealers own ON own.id = u.dealer_id
JOIN dealers other ON other.id = l.dealer_id
WHERE (l.dealer_id = own.id OR (other.group_name = own.group_name AND own.group_name <> ''))
  AND (l.status = 'removed' OR EXISTS (SELECT 1 FROM source_files f WHERE f.id = l.file_id AND f.source_id = $8))
