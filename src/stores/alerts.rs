//! What someone should look at. One open row per thing and subject.

use crate::error::Res;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    pub id: i64,
    pub what: String,
    pub severity: String,
    pub subject: String,
    pub message: String,
    pub since: Timestamp,
    pub delivered_at: Option<Timestamp>,
}

pub struct Alerts;

impl Alerts {
    /// Raises, or renews the words of the one that is open.
    pub async fn raise(
        conn: &mut PgConnection,
        what: &str,
        severity: &str,
        subject: &str,
        message: &str,
    ) -> Res<()> {
        sqlx::query!(
            "INSERT INTO alerts (what, severity, subject, message) VALUES ($1, $2, $3, $4)
             ON CONFLICT (what, subject) WHERE resolved_at IS NULL DO UPDATE SET severity = $2, message = $4",
            what,
            severity,
            subject,
            message
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn resolve(conn: &mut PgConnection, what: &str, subject: &str) -> Res<()> {
        sqlx::query!(
            "UPDATE alerts SET resolved_at = now() WHERE what = $1 AND subject = $2 AND resolved_at IS NULL",
            what,
            subject
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn open(conn: &mut PgConnection) -> Res<Vec<Alert>> {
        let rows = sqlx::query!(
            "SELECT id, what, severity, subject, message, since, delivered_at FROM alerts
             WHERE resolved_at IS NULL ORDER BY since LIMIT 1000"
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Alert {
                id: row.id,
                what: row.what,
                severity: row.severity,
                subject: row.subject,
                message: row.message,
                since: crate::stamp(row.since),
                delivered_at: row.delivered_at.map(crate::stamp),
            })
            .collect())
    }

    /// Open or not.
    pub async fn find(conn: &mut PgConnection, id: i64) -> Res<Option<Alert>> {
        let row = sqlx::query!(
            "SELECT id, what, severity, subject, message, since, delivered_at FROM alerts WHERE id = $1",
            id
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.map(|row| Alert {
            id: row.id,
            what: row.what,
            severity: row.severity,
            subject: row.subject,
            message: row.message,
            since: crate::stamp(row.since),
            delivered_at: row.delivered_at.map(crate::stamp),
        }))
    }

    /// Open ones that nobody was told of.
    pub async fn undelivered(conn: &mut PgConnection) -> Res<Vec<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM alerts WHERE resolved_at IS NULL AND delivered_at IS NULL ORDER BY id LIMIT 100"
        )
        .fetch_all(conn)
        .await?)
    }

    pub async fn delivered(conn: &mut PgConnection, id: i64) -> Res<()> {
        sqlx::query!("UPDATE alerts SET delivered_at = now() WHERE id = $1", id)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Ends the open ones of a kind whose subject is not among these.
    pub async fn resolve_others(
        conn: &mut PgConnection,
        what: &str,
        subjects: &[String],
    ) -> Res<()> {
        sqlx::query!(
            "UPDATE alerts SET resolved_at = now()
             WHERE what = $1 AND resolved_at IS NULL AND NOT subject = ANY($2)",
            what,
            subjects
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
