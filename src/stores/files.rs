//! The ledger of every file seen: where its raw copy lies, how far its load came, what was
//! refused.

use crate::error::{Res, StoreError};
use crate::forgotten::Forgotten;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// The raw copy is kept; loading has not ended.
    Fetched,
    Loaded,
    /// Waits for an operator: see `held_reason`.
    Held,
}

impl FileState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Loaded => "loaded",
            Self::Held => "held",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "loaded" => Self::Loaded,
            "held" => Self::Held,
            _ => Self::Fetched,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOrder {
    Next,
    /// This file was seen earlier and has not been loaded yet.
    OlderWaiting(i64),
    /// A file seen later is the stock already.
    NewerLoaded,
    /// One that was seen before it, and written after it.
    LaterLoaded,
}

#[derive(Clone, Debug)]
pub struct NewFile {
    pub source_id: i64,
    pub name: String,
    pub digest: String,
    pub bytes: i64,
    pub modified_at: Option<Timestamp>,
    pub object_key: String,
}

/// What one slice of a load did; added to the file's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    pub rows: i64,
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub rejected: i64,
    pub duplicates: i64,
    pub removed: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct SourceFile {
    pub id: i64,
    pub source_id: i64,
    pub name: String,
    pub digest: String,
    pub bytes: i64,
    /// As the drop said.
    pub modified_at: Option<Timestamp>,
    pub seen_at: Timestamp,
    #[serde(skip)]
    pub object_key: String,
    pub state: FileState,
    pub held_reason: Option<String>,
    pub released_by: Option<String>,
    /// Where a cut load goes on.
    pub next_row: i64,
    pub counts: FileCounts,
    /// Cells that could not be read, of rows that were loaded all the same.
    pub values_refused: i64,
    /// Which version of an own mapping read it.
    pub mapping_version: Option<i32>,
}

pub struct Files;

impl Files {
    /// Records a file. What is known already is not recorded again: its id, `false`. Known is the
    /// source's newest file, or the newest of this name, with the same digest; a dealer who goes back to an earlier stock
    /// sends a new file of old bytes. One that was written `anew`, alone of its drop, is known by its name no more.
    pub async fn record(conn: &mut PgConnection, file: &NewFile, anew: bool) -> Res<(i64, bool)> {
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('files of source ' || $1::bigint, 0))",
            file.source_id
        )
        .execute(&mut *conn)
        .await?;
        let known = sqlx::query_file_scalar!(
            "queries/known_file.sql",
            file.source_id,
            file.name,
            file.digest,
            file.modified_at.filter(|_| anew).map(crate::unstamp)
        )
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(id) = known {
            return Ok((id, false));
        }
        let id = sqlx::query_scalar!(
            "INSERT INTO source_files (source_id, name, digest, bytes, modified_at, object_key)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
            file.source_id,
            file.name,
            file.digest,
            file.bytes,
            file.modified_at.map(crate::unstamp),
            file.object_key
        )
        .fetch_one(conn)
        .await?;
        Ok((id, true))
    }

    /// Records a file that an operator hands in, whether its bytes were seen before or not.
    /// `released_by` lets it past the guard.
    pub async fn record_upload(
        conn: &mut PgConnection,
        file: &NewFile,
        released_by: Option<&str>,
    ) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO source_files (source_id, name, digest, bytes, object_key, released_by)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
            file.source_id,
            file.name,
            file.digest,
            file.bytes,
            file.object_key,
            released_by
        )
        .fetch_one(conn)
        .await?)
    }

    /// The same file once more, to be loaded anew; its id.
    pub async fn record_again(conn: &mut PgConnection, id: i64) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO source_files (source_id, name, digest, bytes, modified_at, object_key, reload_of)
             SELECT source_id, name, digest, bytes, modified_at, object_key, id FROM source_files WHERE id = $1
             RETURNING id",
            id
        )
        .fetch_one(conn)
        .await?)
    }

    /// Where a file stands among its source's: files are loaded in the order they were seen. A clock that is ahead of ours
    /// says nothing of the files after it: no file was written later than it was seen.
    pub async fn order(conn: &mut PgConnection, source_id: i64, id: i64) -> Res<FileOrder> {
        let row = sqlx::query!(
            r#"SELECT (SELECT min(id) FROM source_files WHERE source_id = $1 AND id < $2 AND state = 'fetched') AS older,
                EXISTS (SELECT 1 FROM source_files WHERE source_id = $1 AND id > $2
                        AND (state = 'loaded' OR next_row > 0)) AS "newer!",
                EXISTS (SELECT 1 FROM source_files WHERE source_id = $1 AND id < $2 AND state = 'loaded'
                        AND least(modified_at, seen_at) > (SELECT modified_at FROM source_files WHERE id = $2)
                        AND modified_at IS NOT NULL AND (SELECT next_row = 0 AND reload_of IS NULL FROM source_files WHERE id = $2)) AS "later!""#,
            source_id,
            id
        )
        .fetch_one(conn)
        .await?;
        Ok(match row {
            row if row.newer => FileOrder::NewerLoaded,
            row => match row.older {
                Some(older) => FileOrder::OlderWaiting(older),
                None if row.later => FileOrder::LaterLoaded,
                None => FileOrder::Next,
            },
        })
    }

    /// Which fields the source's files before this one had columns for.
    pub async fn fields_before(
        conn: &mut PgConnection,
        source_id: i64,
        id: i64,
    ) -> Res<Vec<String>> {
        Ok(sqlx::query_scalar!(
            "SELECT fields FROM source_files WHERE source_id = $1 AND id < $2 AND state = 'loaded'
             ORDER BY id DESC LIMIT 1",
            source_id,
            id
        )
        .fetch_optional(conn)
        .await?
        .unwrap_or_default())
    }

    pub async fn set_fields(conn: &mut PgConnection, id: i64, fields: &[String]) -> Res<()> {
        sqlx::query!(
            "UPDATE source_files SET fields = $2 WHERE id = $1",
            id,
            fields
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Whether it was held, and never by this rule.
    pub async fn held_for_another(conn: &mut PgConnection, id: i64, rule: &str) -> Res<bool> {
        Ok(sqlx::query_scalar!(
            r#"SELECT coalesce(bool_and(rule <> $2), false) AS "another!" FROM source_rejects
               WHERE file_id = $1 AND row = 0 AND column_name = ''"#,
            id,
            rule
        )
        .fetch_one(conn)
        .await?)
    }

    /// Forgets where the raw copies of old files lie, and what was refused of them; the objects are the caller's to
    /// delete.
    pub async fn forget(conn: &mut PgConnection, days: i32, limit: i64) -> Res<Forgotten> {
        let row = sqlx::query_file!("queries/forget_files.sql", days, limit)
            .fetch_one(conn)
            .await?;
        Ok(Forgotten {
            files: row.files.unsigned_abs(),
            objects: row.objects,
        })
    }

    /// Nobody forgets this object, nor keeps it anew, until the transaction ends.
    pub async fn hold_raw(conn: &mut PgConnection, object_key: &str) -> Res<()> {
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('raw object ' || $1::text, 0))",
            object_key
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Whether a file still names this object, or a report that it told.
    pub async fn raw_is_named(conn: &mut PgConnection, object_key: &str) -> Res<bool> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM source_files WHERE object_key = $1)
                OR EXISTS (SELECT 1 FROM history_reports WHERE raw_key = $1 AND raw_key LIKE 'raw/%') AS "named!""#,
            object_key
        )
        .fetch_one(conn)
        .await?)
    }

    /// What came, was loaded, or waits for an operator since then: what a dealer is to be told of.
    pub async fn moved_since(
        conn: &mut PgConnection,
        source_id: i64,
        since: Timestamp,
    ) -> Res<Vec<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM source_files
             WHERE source_id = $1 AND (seen_at >= $2 OR loaded_at >= $2 OR state = 'held')",
            source_id,
            crate::unstamp(since)
        )
        .fetch_all(conn)
        .await?)
    }

    /// The file that is the source's stock.
    pub async fn newest_loaded(conn: &mut PgConnection, source_id: i64) -> Res<Option<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM source_files WHERE source_id = $1 AND state = 'loaded' ORDER BY id DESC LIMIT 1",
            source_id
        )
        .fetch_optional(conn)
        .await?)
    }

    pub async fn get(conn: &mut PgConnection, id: i64) -> Res<SourceFile> {
        let not_found = || StoreError::NotFound {
            what: "file",
            key: id.to_string(),
        };
        Self::select(conn, Some(id), None, 1)
            .await?
            .pop()
            .ok_or_else(not_found)
    }

    /// Newest first.
    pub async fn list(
        conn: &mut PgConnection,
        source_id: Option<i64>,
        limit: i64,
    ) -> Res<Vec<SourceFile>> {
        Self::select(conn, None, source_id, limit).await
    }

    async fn select(
        conn: &mut PgConnection,
        id: Option<i64>,
        source_id: Option<i64>,
        limit: i64,
    ) -> Res<Vec<SourceFile>> {
        let rows = sqlx::query!(
            "SELECT id, source_id, name, digest, bytes, modified_at, seen_at, object_key, state, held_reason, released_by,
                next_row, rows, created, updated, unchanged, rejected, duplicates, removed, mapping_version, values_refused
             FROM source_files
             WHERE ($1::bigint IS NULL OR id = $1) AND ($2::bigint IS NULL OR source_id = $2)
             ORDER BY id DESC LIMIT $3",
            id,
            source_id,
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| SourceFile {
                id: row.id,
                source_id: row.source_id,
                name: row.name,
                digest: row.digest,
                bytes: row.bytes,
                modified_at: row.modified_at.map(crate::stamp),
                seen_at: crate::stamp(row.seen_at),
                object_key: row.object_key,
                state: FileState::parse(&row.state),
                held_reason: row.held_reason,
                released_by: row.released_by,
                next_row: row.next_row,
                counts: FileCounts {
                    rows: row.rows,
                    created: row.created,
                    updated: row.updated,
                    unchanged: row.unchanged,
                    rejected: row.rejected,
                    duplicates: row.duplicates,
                    removed: row.removed,
                },
                mapping_version: row.mapping_version,
                values_refused: row.values_refused,
            })
            .collect())
    }

    /// Adds a slice's counts and moves the place to go on from, if the load still stands at
    /// `from_row`: a second worker's slice is refused (`false`).
    pub async fn advance(
        conn: &mut PgConnection,
        id: i64,
        from_row: i64,
        to_row: i64,
        counts: &FileCounts,
        values_refused: i64,
    ) -> Res<bool> {
        let done = sqlx::query!(
            "UPDATE source_files SET next_row = $3, rows = rows + $4, created = created + $5,
                updated = updated + $6, unchanged = unchanged + $7, rejected = rejected + $8,
                duplicates = duplicates + $9, values_refused = values_refused + $10
             WHERE id = $1 AND next_row = $2 AND state = 'fetched'",
            id,
            from_row,
            to_row,
            counts.rows,
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.rejected,
            counts.duplicates,
            values_refused
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Adds to the units the file's load retired.
    pub async fn removed(conn: &mut PgConnection, id: i64, removed: i64) -> Res<()> {
        sqlx::query!(
            "UPDATE source_files SET removed = removed + $2 WHERE id = $1",
            id,
            removed
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn loaded(conn: &mut PgConnection, id: i64) -> Res<()> {
        sqlx::query!(
            "UPDATE source_files SET state = 'loaded', loaded_at = now() WHERE id = $1 AND state = 'fetched'",
            id
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn hold(conn: &mut PgConnection, id: i64, reason: &str) -> Res<()> {
        sqlx::query!(
            "UPDATE source_files SET state = 'held', held_reason = $2 WHERE id = $1 AND state = 'fetched'",
            id,
            reason
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Totals of the files first seen at or after `since`: files, held files, their counts.
    pub async fn totals(conn: &mut PgConnection, since: Timestamp) -> Res<(i64, i64, FileCounts)> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "files!", count(*) FILTER (WHERE state = 'held') AS "held!",
                coalesce(sum(rows), 0)::bigint AS "rows!", coalesce(sum(created), 0)::bigint AS "created!",
                coalesce(sum(updated), 0)::bigint AS "updated!", coalesce(sum(unchanged), 0)::bigint AS "unchanged!",
                coalesce(sum(rejected), 0)::bigint AS "rejected!", coalesce(sum(duplicates), 0)::bigint AS "duplicates!",
                coalesce(sum(removed), 0)::bigint AS "removed!"
             FROM source_files WHERE seen_at >= $1"#,
            crate::unstamp(since)
        )
        .fetch_one(conn)
        .await?;
        let counts = FileCounts {
            rows: row.rows,
            created: row.created,
            updated: row.updated,
            unchanged: row.unchanged,
            rejected: row.rejected,
            duplicates: row.duplicates,
            removed: row.removed,
        };
        Ok((row.files, row.held, counts))
    }

    /// An operator lets a held file through. `false` when it was not held.
    pub async fn release(conn: &mut PgConnection, id: i64, who: &str) -> Res<bool> {
        let done = sqlx::query!(
            "UPDATE source_files SET state = 'fetched', released_by = $2 WHERE id = $1 AND state = 'held'",
            id,
            who
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
