-- Take a key for a time. Answers the new job's id when the key was free or had run out.
INSERT INTO job_keys AS held (kind, key, job_id, until)
VALUES ($1, $2, nextval('job_ids'), now() + $3::float8 * interval '1 second')
ON CONFLICT (kind, key) DO UPDATE SET job_id = excluded.job_id, until = excluded.until
WHERE held.until < now()
RETURNING job_id
