//! Who did what to what.

use crate::error::Res;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug, Serialize)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub who: String,
    pub action: String,
    pub subject: String,
}

pub struct Audit;

impl Audit {
    pub async fn note(conn: &mut PgConnection, who: &str, action: &str, subject: &str) -> Res<()> {
        sqlx::query!(
            "INSERT INTO audit (who, action, subject) VALUES ($1, $2, $3)",
            who,
            action,
            subject
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Newest first.
    pub async fn list(conn: &mut PgConnection, limit: i64) -> Res<Vec<AuditEntry>> {
        let rows = sqlx::query!(
            "SELECT at, who, action, subject FROM audit ORDER BY id DESC LIMIT $1",
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AuditEntry {
                at: crate::stamp(row.at),
                who: row.who,
                action: row.action,
                subject: row.subject,
            })
            .collect())
    }
}
