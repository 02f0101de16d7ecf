DROP FUNCTION ensure_history_days;
DROP TABLE workers, job_attempts, jobs_history, job_keys, jobs_claims, jobs_hot, runs, lanes;
DROP SEQUENCE job_ids;
