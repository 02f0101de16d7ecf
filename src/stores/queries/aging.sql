-- Age of each rooftop's stock. $1 dealer key (NULL for all). Plan: one pass over the units on the lot, grouped.
WITH aged AS (
    SELECT d.key, greatest(current_date - coalesce(l.date_in_stock, l.created_at::date), 0) AS days
    FROM listings l JOIN dealers d ON d.id = l.dealer_id
    WHERE l.status IN ('available', 'pending') AND l.kind <> 'parent' AND ($1::text IS NULL OR d.key = $1)
)
SELECT key AS "dealer!", count(*) AS "units!",
    (percentile_disc(0.5) WITHIN GROUP (ORDER BY days))::bigint AS "median_days!",
    round(avg(days))::bigint AS "average_days!",
    count(*) FILTER (WHERE days <= 30) AS "to_30!",
    count(*) FILTER (WHERE days BETWEEN 31 AND 60) AS "to_60!",
    count(*) FILTER (WHERE days BETWEEN 61 AND 90) AS "to_90!",
    count(*) FILTER (WHERE days > 90) AS "older!"
FROM aged GROUP BY key ORDER BY key
