-- All that a provider ($1) said: reports, worths, photos it shows. The objects that nothing names then. Plan: a pass over each table.
WITH reports AS (
    DELETE FROM history_reports WHERE provider = $1 RETURNING raw_key
),
worths AS (
    DELETE FROM valuations WHERE provider = $1
),
shown AS (
    DELETE FROM photo_uploads WHERE provider = $1 RETURNING objects
)
SELECT DISTINCT raw_key AS "object!" FROM reports r WHERE raw_key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM history_reports h WHERE h.raw_key = r.raw_key AND h.provider <> $1)
UNION
SELECT object FROM shown, unnest(objects) object
    WHERE NOT EXISTS (SELECT 1 FROM photo_uploads u WHERE u.provider <> $1 AND object = ANY (u.objects))
