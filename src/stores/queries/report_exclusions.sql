-- Which of a rooftop's units each feed left out last, and why. $1 dealer. Plan: the newest run of each feed by
-- feed_runs_feed, then its exclusions and a primary-key probe each.
SELECT f.key AS "feed!", l.stock_number AS "stock_number!", coalesce(l.vin, '') AS "vin!", e.reasons AS "reasons!"
FROM feeds f
JOIN LATERAL (
    SELECT id FROM feed_runs WHERE feed_id = f.id AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1
) r ON true
JOIN feed_exclusions e ON e.feed_run_id = r.id
JOIN listings l ON l.id = e.listing_id
WHERE l.dealer_id = $1
ORDER BY f.key, l.stock_number
