//! Mappings of one's own, every version kept: which one read a file can be told afterwards.

use crate::error::Res;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug, Serialize)]
pub struct OwnMapping {
    pub name: String,
    /// Counted from 1.
    pub version: i32,
    pub yaml: String,
    pub put_by: String,
    pub put_at: Timestamp,
}

pub struct OwnMappings;

/// Of a row with its columns; each query has a row type of its own.
macro_rules! own {
    ($row:ident) => {
        OwnMapping {
            name: $row.name,
            version: $row.version,
            yaml: $row.yaml,
            put_by: $row.put_by,
            put_at: crate::stamp($row.put_at),
        }
    };
}

impl OwnMappings {
    /// To the end of the transaction nobody else puts it, or names it as a source's.
    pub async fn lock(conn: &mut PgConnection, name: &str) -> Res<()> {
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('mapping ' || $1::text, 0))",
            name
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// A new version, unless the newest says the same; its number.
    pub async fn put(conn: &mut PgConnection, name: &str, yaml: &str, who: &str) -> Res<i32> {
        Self::lock(&mut *conn, name).await?;
        let newest = Self::newest(&mut *conn, name).await?;
        if let Some(newest) = newest.as_ref().filter(|newest| newest.yaml == yaml) {
            return Ok(newest.version);
        }
        let version = newest.map_or(1, |newest| newest.version + 1);
        sqlx::query!(
            "INSERT INTO mappings (name, version, yaml, put_by) VALUES ($1, $2, $3, $4)",
            name,
            version,
            yaml,
            who
        )
        .execute(conn)
        .await?;
        Ok(version)
    }

    pub async fn newest(conn: &mut PgConnection, name: &str) -> Res<Option<OwnMapping>> {
        Self::find(conn, name, None).await
    }

    /// The newest, unless one is told.
    pub async fn find(
        conn: &mut PgConnection,
        name: &str,
        version: Option<i32>,
    ) -> Res<Option<OwnMapping>> {
        let row = sqlx::query!(
            "SELECT name, version, yaml, put_by, put_at FROM mappings
             WHERE name = $1 AND ($2::int IS NULL OR version = $2) ORDER BY version DESC LIMIT 1",
            name,
            version
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.map(|row| own!(row)))
    }

    /// Newest first.
    pub async fn versions(conn: &mut PgConnection, name: &str) -> Res<Vec<OwnMapping>> {
        let rows = sqlx::query!(
            "SELECT name, version, yaml, put_by, put_at FROM mappings WHERE name = $1 ORDER BY version DESC",
            name
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| own!(row)).collect())
    }

    /// The newest of each.
    pub async fn list(conn: &mut PgConnection) -> Res<Vec<OwnMapping>> {
        let rows = sqlx::query!(
            "SELECT DISTINCT ON (name) name, version, yaml, put_by, put_at FROM mappings ORDER BY name, version DESC"
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| own!(row)).collect())
    }

    /// Notes which version read a file.
    pub async fn used(conn: &mut PgConnection, file_id: i64, version: Option<i32>) -> Res<()> {
        sqlx::query!(
            "UPDATE source_files SET mapping_version = $2 WHERE id = $1",
            file_id,
            version
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
