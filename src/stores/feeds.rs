//! Feeds, their runs, and what was left out of each.

use crate::error::{Res, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug)]
pub struct FeedRow {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub definition: serde_json::Value,
    pub latest_run_id: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct FeedRun {
    pub id: i64,
    pub feed: String,
    pub job_id: i64,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// `building`, `published`, `unchanged` (same bytes as the last) or `held`.
    pub state: String,
    pub held_reason: Option<String>,
    pub position: i64,
    pub rows: i64,
    pub excluded: i64,
    pub bytes: i64,
    pub digest: Option<String>,
    #[serde(skip)]
    pub object_key: Option<String>,
    pub diagnostics: serde_json::Value,
    pub previous_run_id: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Exclusion {
    pub listing_id: i64,
    pub reasons: Vec<String>,
}

/// Between reasons on their way into the database; no reason has it.
const JOINT: &str = "\u{1f}";

/// A unit that a feed left out, and why.
#[derive(Clone, Debug)]
pub struct LeftOut {
    pub feed: String,
    pub stock_number: String,
    pub vin: String,
    pub reasons: Vec<String>,
}

pub struct Feeds;

impl Feeds {
    /// Makes or updates the feed with this key.
    pub async fn put(
        conn: &mut PgConnection,
        key: &str,
        name: &str,
        definition: &serde_json::Value,
    ) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO feeds (key, name, definition) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET name = $2, definition = $3 RETURNING id",
            key,
            name,
            definition
        )
        .fetch_one(conn)
        .await?)
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<FeedRow>> {
        Ok(sqlx::query_as!(
            FeedRow,
            "SELECT id, key, name, definition, latest_run_id FROM feeds ORDER BY key"
        )
        .fetch_all(conn)
        .await?)
    }

    pub async fn find(conn: &mut PgConnection, key: &str) -> Res<Option<FeedRow>> {
        Ok(sqlx::query_as!(
            FeedRow,
            "SELECT id, key, name, definition, latest_run_id FROM feeds WHERE key = $1",
            key
        )
        .fetch_optional(conn)
        .await?)
    }

    /// What a run says against these listings.
    pub async fn exclusions_of(
        conn: &mut PgConnection,
        run_id: i64,
        listing_ids: &[i64],
    ) -> Res<Vec<Exclusion>> {
        Ok(sqlx::query_as!(
            Exclusion,
            "SELECT listing_id, reasons FROM feed_exclusions WHERE feed_run_id = $1 AND listing_id = ANY($2)",
            run_id,
            listing_ids
        )
        .fetch_all(conn)
        .await?)
    }

    /// Stock changed: feeds that follow the change log are due after their own quiet time, counted
    /// from the first change.
    pub async fn stock_changed(conn: &mut PgConnection) -> Res<()> {
        sqlx::query!(
            "UPDATE feeds SET due_at = now() + (definition->>'after_changes_seconds')::float8 * interval '1 second'
             WHERE due_at IS NULL AND definition ? 'after_changes_seconds'"
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Keys of the feeds that are due now; the caller enqueues their builds in the same transaction.
    pub async fn take_due(conn: &mut PgConnection) -> Res<Vec<String>> {
        Ok(sqlx::query_scalar!(
            "UPDATE feeds SET due_at = NULL WHERE id IN (
                SELECT id FROM feeds WHERE due_at <= now() ORDER BY id FOR UPDATE SKIP LOCKED)
             RETURNING key"
        )
        .fetch_all(conn)
        .await?)
    }

    /// Feeds that were confirmed once and not for so many hours since.
    pub async fn stale(conn: &mut PgConnection, hours: f64) -> Res<Vec<String>> {
        Ok(sqlx::query_scalar!(
            "SELECT f.key FROM feeds f WHERE (
                 SELECT max(r.finished_at) FROM feed_runs r
                 WHERE r.feed_id = f.id AND r.state IN ('published', 'unchanged')
             ) < now() - $1::float8 * interval '1 hour' ORDER BY f.key",
            hours
        )
        .fetch_all(conn)
        .await?)
    }

    /// A build was running already and may have missed the change: look again soon.
    pub async fn due_again(conn: &mut PgConnection, key: &str) -> Res<()> {
        sqlx::query!(
            "UPDATE feeds SET due_at = now() + interval '10 seconds' WHERE key = $1 AND due_at IS NULL",
            key
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// The run of this job: a second delivery gets the same one, whatever became of it.
    pub async fn begin_run(
        conn: &mut PgConnection,
        feed_id: i64,
        job_id: i64,
        position: i64,
    ) -> Res<FeedRun> {
        let id = sqlx::query_scalar!(
            "INSERT INTO feed_runs (feed_id, job_id, position, previous_run_id)
             SELECT $1, $2, $3, latest_run_id FROM feeds WHERE id = $1
             ON CONFLICT (feed_id, job_id) DO UPDATE SET job_id = $2 RETURNING id",
            feed_id,
            job_id,
            position
        )
        .fetch_one(&mut *conn)
        .await?;
        Self::run(conn, id).await
    }

    /// Writes the end of a run and what it left out; `false` when the run had ended already.
    pub async fn finish_run(
        conn: &mut PgConnection,
        run: &FeedRun,
        exclusions: &[Exclusion],
    ) -> Res<bool> {
        let done = sqlx::query!(
            "UPDATE feed_runs SET finished_at = now(), state = $2, held_reason = $3, rows = $4, excluded = $5,
                bytes = $6, digest = $7, object_key = $8, diagnostics = $9 WHERE id = $1 AND state = 'building'",
            run.id,
            run.state,
            run.held_reason,
            run.rows,
            run.excluded,
            run.bytes,
            run.digest,
            run.object_key,
            run.diagnostics
        )
        .execute(&mut *conn)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!("DELETE FROM feed_exclusions WHERE feed_run_id = $1", run.id)
            .execute(&mut *conn)
            .await?;
        for slice in exclusions.chunks(5_000) {
            sqlx::query!(
                "INSERT INTO feed_exclusions (feed_run_id, listing_id, reasons)
                 SELECT $1, u.id, string_to_array(u.reasons, $4)
                 FROM unnest($2::bigint[], $3::text[]) u(id, reasons)",
                run.id,
                &slice.iter().map(|e| e.listing_id).collect::<Vec<_>>(),
                &slice
                    .iter()
                    .map(|e| e.reasons.join(JOINT))
                    .collect::<Vec<_>>(),
                JOINT
            )
            .execute(&mut *conn)
            .await?;
        }
        Ok(true)
    }

    /// Moves `latest` to this run, unless a later run was faster. `true` when it moved.
    pub async fn publish(conn: &mut PgConnection, feed_id: i64, run_id: i64) -> Res<bool> {
        let done = sqlx::query!(
            "UPDATE feeds SET latest_run_id = $2 WHERE id = $1 AND coalesce(latest_run_id, 0) <= $2",
            feed_id,
            run_id
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub async fn run(conn: &mut PgConnection, id: i64) -> Res<FeedRun> {
        let not_found = || StoreError::NotFound {
            what: "feed run",
            key: id.to_string(),
        };
        Self::select(conn, Some(id), None, 1)
            .await?
            .pop()
            .ok_or_else(not_found)
    }

    /// Newest first.
    pub async fn runs(conn: &mut PgConnection, feed: &str, limit: i64) -> Res<Vec<FeedRun>> {
        Self::select(conn, None, Some(feed), limit).await
    }

    async fn select(
        conn: &mut PgConnection,
        id: Option<i64>,
        feed: Option<&str>,
        limit: i64,
    ) -> Res<Vec<FeedRun>> {
        let rows = sqlx::query!(
            "SELECT r.id, f.key AS feed, r.job_id, r.started_at, r.finished_at, r.state, r.held_reason, r.position,
                r.rows, r.excluded, r.bytes, r.digest, r.object_key, r.diagnostics, r.previous_run_id
             FROM feed_runs r JOIN feeds f ON f.id = r.feed_id
             WHERE ($1::bigint IS NULL OR r.id = $1) AND ($2::text IS NULL OR f.key = $2)
             ORDER BY r.id DESC LIMIT $3",
            id,
            feed,
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| FeedRun {
                id: row.id,
                feed: row.feed,
                job_id: row.job_id,
                started_at: crate::stamp(row.started_at),
                finished_at: row.finished_at.map(crate::stamp),
                state: row.state,
                held_reason: row.held_reason,
                position: row.position,
                rows: row.rows,
                excluded: row.excluded,
                bytes: row.bytes,
                digest: row.digest,
                object_key: row.object_key,
                diagnostics: row.diagnostics,
                previous_run_id: row.previous_run_id,
            })
            .collect())
    }

    /// What the newest run of each feed left out of a rooftop's units.
    pub async fn left_out_of(conn: &mut PgConnection, dealer_id: i64) -> Res<Vec<LeftOut>> {
        Ok(
            sqlx::query_file_as!(LeftOut, "queries/report_exclusions.sql", dealer_id)
                .fetch_all(conn)
                .await?,
        )
    }

    pub async fn exclusions(
        conn: &mut PgConnection,
        run_id: i64,
        after: i64,
        limit: i64,
    ) -> Res<Vec<Exclusion>> {
        Ok(sqlx::query_as!(
            Exclusion,
            "SELECT listing_id, reasons FROM feed_exclusions WHERE feed_run_id = $1 AND listing_id > $2
             ORDER BY listing_id LIMIT $3",
            run_id,
            after,
            limit
        )
        .fetch_all(conn)
        .await?)
    }
}
