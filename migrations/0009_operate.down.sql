DROP TABLE bulk_results, bulks;
DROP INDEX jobs_history_finished;
DROP INDEX jobs_history_dead;
CREATE INDEX jobs_history_dead ON jobs_history (finished_at) WHERE state <> 'done';
