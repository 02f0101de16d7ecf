-- All that a provider ($1) said: reports, worths, photos it shows. The objects that nothing names then are noted as left, to be
-- deleted by the next who forgets. Plan: a pass over each table, the others' objects hashed.
WITH reports AS (
    DELETE FROM history_reports WHERE provider = $1 RETURNING raw_key
),
worths AS (
    DELETE FROM valuations WHERE provider = $1
),
shown AS (
    DELETE FROM photo_uploads WHERE provider = $1 RETURNING objects
),
left_over AS (
    (SELECT raw_key FROM reports WHERE raw_key IS NOT NULL
     EXCEPT SELECT raw_key FROM history_reports WHERE provider <> $1)
    UNION
    (SELECT object FROM shown, unnest(objects) object
     EXCEPT SELECT object FROM photo_uploads, unnest(objects) object WHERE provider <> $1)
)
INSERT INTO left_objects (key, since) SELECT raw_key, 'epoch' FROM left_over ORDER BY raw_key
ON CONFLICT (key) DO UPDATE SET since = excluded.since
