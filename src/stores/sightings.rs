//! Files that were seen in a drop: what lies there still, or again, need not be fetched to be known.

use crate::error::Res;
use crate::files::NewFile;
use jiff::Timestamp;
use sqlx::PgConnection;

pub struct Sightings;

impl Sightings {
    /// Whether a file of this name, size and time was fetched before: then it need not be again.
    pub async fn seen(
        conn: &mut PgConnection,
        source_id: i64,
        name: &str,
        bytes: i64,
        modified_at: Timestamp,
    ) -> Res<bool> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM source_files WHERE source_id = $1 AND name = $2 AND bytes = $3
                    AND modified_at = $4)
                OR EXISTS (SELECT 1 FROM file_sightings WHERE source_id = $1 AND name = $2 AND bytes = $3
                    AND modified_at = $4) AS "seen!""#,
            source_id,
            name,
            bytes,
            crate::unstamp(modified_at)
        )
        .fetch_one(conn)
        .await?)
    }

    /// When the source's newest file was written, as its host said it last: it may have been written anew since, the same.
    pub async fn newest(conn: &mut PgConnection, source_id: i64) -> Res<Option<Timestamp>> {
        let newest = sqlx::query_scalar!(
            "SELECT greatest(modified_at, (SELECT max(s.modified_at) FROM file_sightings s WHERE s.file_id = f.id))
             FROM source_files f WHERE source_id = $1 ORDER BY id DESC LIMIT 1",
            source_id
        );
        let newest = newest.fetch_optional(conn).await?;
        Ok(newest.flatten().map(crate::stamp))
    }

    /// A file that is in the ledger already lies in the drop once more: under another name, or written anew.
    pub async fn note(conn: &mut PgConnection, file: &NewFile, known_as: i64) -> Res<()> {
        sqlx::query!(
            "INSERT INTO file_sightings (source_id, name, bytes, modified_at, file_id)
             SELECT $1, $2, $3, $4, $5 WHERE $4::timestamptz IS NOT NULL
             ON CONFLICT DO NOTHING",
            file.source_id,
            file.name,
            file.bytes,
            file.modified_at.map(crate::unstamp),
            known_as
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Where else a file of the ledger lay, and when it was written there.
    pub async fn of(conn: &mut PgConnection, file_id: i64) -> Res<Vec<(String, Timestamp)>> {
        let rows = sqlx::query!(
            "SELECT name, modified_at FROM file_sightings WHERE file_id = $1 ORDER BY name, modified_at",
            file_id
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.name, crate::stamp(row.modified_at)))
            .collect())
    }

    /// What the source's files said of their times was said by another place: nothing is taken for seen by it.
    pub async fn forget(conn: &mut PgConnection, source_key: &str) -> Res<()> {
        sqlx::query!(
            "WITH source AS (SELECT id FROM sources WHERE key = $1),
                again AS (DELETE FROM file_sightings WHERE source_id = (SELECT id FROM source))
             UPDATE source_files SET modified_at = NULL
             WHERE source_id = (SELECT id FROM source) AND modified_at IS NOT NULL",
            source_key
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
