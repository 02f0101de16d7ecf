//! What a bench of the console looks through: a long history, without running it.

use sqlx::PgConnection;

/// Fills the history with jobs that ended over the last day: `done` of them, and `dead` ones that a partner's
/// timeouts killed. Ids rise with time, as they do.
pub async fn fill_history(conn: &mut PgConnection, done: i64, dead: i64) -> sqlx::Result<u64> {
    sqlx::query!(
        "INSERT INTO lanes (queue, partner) VALUES ('photos', ''), ('lookups', ''), ('sftp', 'sftp slow') ON CONFLICT DO NOTHING"
    )
    .execute(&mut *conn)
    .await?;
    let filled = sqlx::query!(
        "INSERT INTO jobs_history (id, lane, kind, version, priority, state, attempt, max_attempts, snoozes, rescues, run_id,
             created_at, run_at, started_at, finished_at, worker, args, report, error)
         SELECT nextval('job_ids'),
             CASE WHEN bad THEN c.sftp WHEN n % 3 = 0 THEN c.lookups ELSE c.photos END,
             CASE WHEN bad THEN 'pull_source' WHEN n % 3 = 0 THEN 'decode_vins' ELSE 'hash_photos' END, 1::smallint, 2::smallint,
             CASE WHEN bad THEN 'dead' ELSE 'done' END, CASE WHEN bad THEN 10 ELSE 1 END::smallint, 10::smallint, 0, 0::smallint, n / 1000 + 1,
             at - interval '2 seconds', at - interval '1 second', at - interval '200 milliseconds', at, 'bench',
             CASE WHEN bad THEN jsonb_build_object('source', 'dealer-' || n % 500)
                  ELSE jsonb_build_object('listings', jsonb_build_array(n, n + 1, n + 2), 'tries', 0) END,
             CASE WHEN NOT bad THEN jsonb_build_object('hashed', 3) END,
             CASE WHEN bad THEN jsonb_build_object('class', 'timeout', 'message', 'list sftp.example.com: timed out after ' || n % 60 || ' s') END
         FROM (SELECT n, n % (($1::bigint + $2::bigint) / greatest($2::bigint, 1)) = 0 AND $2 > 0 AS bad,
                   now() - interval '24 hours' * (1 - n::float8 / ($1::bigint + $2::bigint)) AS at FROM generate_series(1, $1::bigint + $2::bigint) n) made,
              (SELECT max(id) FILTER (WHERE queue = 'photos') AS photos, max(id) FILTER (WHERE queue = 'lookups') AS lookups,
                   max(id) FILTER (WHERE partner = 'sftp slow') AS sftp FROM lanes) c",
        done,
        dead
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("INSERT INTO runs (cause, subject, started_at) SELECT 'bench', 'pull_source', now() - interval '1 day' FROM generate_series(1, $1::bigint)", (done + dead) / 1000 + 1)
        .execute(&mut *conn)
        .await?;
    // What autovacuum does by the minute: without it the newest block ranges are not summarised.
    sqlx::query!("VACUUM ANALYZE jobs_history")
        .execute(conn)
        .await?;
    Ok(filled.rows_affected())
}
