//! What left the hot tables, where it lies, and its way back.

use crate::error::{Res, StoreError};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::PgConnection;

/// A unit that may be archived, as one line of the archive.
#[derive(Clone, Debug)]
pub struct Archivable {
    pub id: i64,
    pub version: i64,
    pub record: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct ArchiveRow {
    pub id: i64,
    pub object_key: String,
    pub rows: i64,
    pub bytes: i64,
    /// BLAKE3 of the object.
    pub digest: String,
    pub made_at: Timestamp,
}

/// Where an archived unit lies.
#[derive(Clone, Debug, Serialize)]
pub struct ArchivedListing {
    pub archive_id: i64,
    pub listing_id: i64,
    pub dealer: String,
    pub stock_number: String,
    pub vin: Option<String>,
    pub restored: bool,
}

pub struct Archives;

impl Archives {
    /// Units off the lot for more than so many days, oldest first.
    pub async fn archivable(
        conn: &mut PgConnection,
        days: f64,
        limit: i64,
    ) -> Res<Vec<Archivable>> {
        Ok(sqlx::query_file!("queries/archivable.sql", days, limit)
            .fetch_all(conn)
            .await?
            .into_iter()
            .map(|row| Archivable {
                id: row.id,
                version: row.version,
                record: row.record,
            })
            .collect())
    }

    /// Records an archive and takes its units out of the hot tables, but for those that changed since
    /// they were read; returns how many left. `units` are in the order of the archive's lines.
    pub async fn keep(
        conn: &mut PgConnection,
        archive: &ArchiveRow,
        job_id: i64,
        units: &[Archivable],
    ) -> Res<u64> {
        let id = sqlx::query_scalar!(
            "INSERT INTO archives (object_key, rows, bytes, digest, job_id) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            archive.object_key,
            archive.rows,
            archive.bytes,
            archive.digest,
            job_id
        )
        .fetch_one(&mut *conn)
        .await?;
        let lines: Vec<i32> = (0i32..).take(units.len()).collect();
        let left = sqlx::query_file!(
            "queries/archive_out.sql",
            id,
            &lines,
            &units.iter().map(|unit| unit.id).collect::<Vec<_>>(),
            &units.iter().map(|unit| unit.version).collect::<Vec<_>>()
        )
        .execute(conn)
        .await?;
        Ok(left.rows_affected())
    }

    pub async fn get(conn: &mut PgConnection, id: i64) -> Res<ArchiveRow> {
        let not_found = || StoreError::NotFound {
            what: "archive",
            key: id.to_string(),
        };
        Self::select(conn, Some(id), 1)
            .await?
            .pop()
            .ok_or_else(not_found)
    }

    /// Newest first.
    pub async fn list(conn: &mut PgConnection, limit: i64) -> Res<Vec<ArchiveRow>> {
        Self::select(conn, None, limit).await
    }

    async fn select(conn: &mut PgConnection, id: Option<i64>, limit: i64) -> Res<Vec<ArchiveRow>> {
        Ok(sqlx::query!(
            "SELECT id, object_key, rows, bytes, digest, made_at FROM archives
             WHERE $1::bigint IS NULL OR id = $1 ORDER BY id DESC LIMIT $2",
            id,
            limit
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| ArchiveRow {
            id: row.id,
            object_key: row.object_key,
            rows: row.rows,
            bytes: row.bytes,
            digest: row.digest,
            made_at: crate::stamp(row.made_at),
        })
        .collect())
    }

    /// Archived units by VIN or stock number.
    pub async fn find(conn: &mut PgConnection, number: &str) -> Res<Vec<ArchivedListing>> {
        Ok(sqlx::query!(
            r#"SELECT a.archive_id, a.listing_id, d.key AS dealer, a.stock_number, a.vin,
                a.restored_at IS NOT NULL AS "restored!"
             FROM archived_listings a JOIN dealers d ON d.id = a.dealer_id
             WHERE a.vin = upper($1) OR a.serial = $1 OR a.stock_number IN ($1, upper($1), lower($1)) ORDER BY a.archive_id DESC, a.line LIMIT 100"#,
            number
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| ArchivedListing {
            archive_id: row.archive_id,
            listing_id: row.listing_id,
            dealer: row.dealer,
            stock_number: row.stock_number,
            vin: row.vin,
            restored: row.restored,
        })
        .collect())
    }

    /// Archives that hold units which are still out: of a rooftop, or made on a day (UTC), oldest first.
    pub async fn holding(
        conn: &mut PgConnection,
        dealer: Option<&str>,
        day: Option<Date>,
    ) -> Res<Vec<i64>> {
        let day = day.map(|day| day.to_string());
        Ok(sqlx::query_scalar!(
            r#"SELECT r.id AS "id!" FROM archives r
             WHERE ($2::text IS NULL OR (r.made_at AT TIME ZONE 'UTC')::date = $2::text::date)
               AND EXISTS (SELECT 1 FROM archived_listings a JOIN dealers d ON d.id = a.dealer_id
                           WHERE a.archive_id = r.id AND a.restored_at IS NULL AND ($1::text IS NULL OR d.key = $1))
             ORDER BY r.id"#,
            dealer,
            day
        )
        .fetch_all(conn)
        .await?)
    }

    /// Which lines of an archive stand for units (of a rooftop) that left by it and have not come back.
    pub async fn lines(
        conn: &mut PgConnection,
        archive_id: i64,
        dealer: Option<&str>,
    ) -> Res<Vec<(i32, i64)>> {
        Ok(sqlx::query!(
            "SELECT a.line, a.listing_id FROM archived_listings a JOIN dealers d ON d.id = a.dealer_id
             WHERE a.archive_id = $1 AND a.restored_at IS NULL AND ($2::text IS NULL OR d.key = $2) ORDER BY a.line",
            archive_id,
            dealer
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| (row.line, row.listing_id))
        .collect())
    }

    /// Puts units back; returns the ids of those that came, which are not those whose stock number is in
    /// use again.
    pub async fn restore(
        conn: &mut PgConnection,
        archive_id: i64,
        records: &[serde_json::Value],
    ) -> Res<Vec<i64>> {
        let records = serde_json::Value::Array(records.to_vec());
        let back = sqlx::query_file_scalar!("queries/restore_listings.sql", records)
            .fetch_all(&mut *conn)
            .await?;
        // Not archived again tonight, and no day longer on the lot for it.
        sqlx::query!(
            "UPDATE listings SET left_at = coalesce(left_at, updated_at), updated_at = now()
             WHERE id = ANY($1)",
            &back
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "UPDATE archived_listings SET restored_at = now() WHERE archive_id = $1 AND listing_id = ANY($2)",
            archive_id,
            &back
        )
        .execute(conn)
        .await?;
        Ok(back)
    }

    /// Units that left by any archive and have not come back; their parents are none.
    pub async fn count(conn: &mut PgConnection) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM archived_listings WHERE restored_at IS NULL AND kind <> 'parent'"#
        )
        .fetch_one(conn)
        .await?)
    }
}
