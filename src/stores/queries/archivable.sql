-- Units off the lot for so long, oldest first, each as one JSON object with its price history. $1 days, $2 rows. What its
-- source's newest file still names (as sold) is not done with: it would come anew tomorrow, without its past.
-- Plan: listings_off_the_lot from its beginning; price_history_listing per unit; source_files_seen per unit.
SELECT l.id, l.version, l.dealer_id, l.kind, l.stock_number, l.vin,
    (to_jsonb(l) || jsonb_build_object('dealer', d.key, 'price_history', coalesce(
        (SELECT jsonb_agg(to_jsonb(p) - 'listing_id' ORDER BY p.at) FROM price_history p WHERE p.listing_id = l.id),
        '[]'), 'moves', coalesce(
        (SELECT jsonb_agg(to_jsonb(m) - 'listing_id' ORDER BY m.at) FROM listing_moves m WHERE m.listing_id = l.id),
        '[]')))::text AS "record!"
FROM listings l JOIN dealers d ON d.id = l.dealer_id
WHERE l.status IN ('removed', 'sold') AND l.updated_at < now() - $1::float8 * interval '1 day'
  AND NOT EXISTS (SELECT 1 FROM source_files f WHERE f.id = l.file_id AND l.status = 'sold'
                  AND f.seen_at > now() - $1::float8 * interval '1 day'
                  AND f.id = (SELECT max(n.id) FROM source_files n WHERE n.source_id = f.source_id AND n.state = 'loaded'))
ORDER BY l.updated_at LIMIT $2
