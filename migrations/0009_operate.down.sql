DROP TABLE bulk_results, bulks;
DROP INDEX jobs_history_finished;
