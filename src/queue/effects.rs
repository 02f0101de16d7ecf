//! The effects ledger: what a job has done outside, so that a second delivery is a visible no-op.

use sqlx::PgConnection;

pub struct Effects;

impl Effects {
    /// Notes an effect in the transaction that makes it (or right before one that cannot be in a
    /// transaction, whose receiver knows the job and step as a key). `false` when the job's earlier attempt
    /// already made it: then nothing is to be done.
    pub async fn first(
        conn: &mut PgConnection,
        job_id: i64,
        step: &str,
        digest: &str,
    ) -> sqlx::Result<bool> {
        let noted = sqlx::query!(
            "INSERT INTO effects (job_id, step, digest) VALUES ($1, $2, $3) ON CONFLICT (job_id, step) DO NOTHING",
            job_id,
            step,
            digest
        )
        .execute(conn)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    /// Steps a job has made, with the digests of what they made.
    pub async fn of(conn: &mut PgConnection, job_id: i64) -> sqlx::Result<Vec<(String, String)>> {
        let rows = sqlx::query!(
            "SELECT step, digest FROM effects WHERE job_id = $1 ORDER BY made_at, step",
            job_id
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.step, row.digest)).collect())
    }
}
