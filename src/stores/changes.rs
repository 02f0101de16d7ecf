//! The change log: stamped by the dispatcher, read by position.

use crate::error::Res;
use sqlx::PgConnection;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub position: i64,
    pub listing_id: i64,
    /// `created`, `updated` or `removed`.
    pub what: String,
    pub version: i64,
}

pub struct Changes;

impl Changes {
    /// Gives the next positions to changes that no running transaction can still precede; returns
    /// how many. In a transaction of its own: the cursor's row lock makes dispatchers take turns.
    pub async fn stamp(conn: &mut PgConnection, limit: i64) -> Res<i64> {
        let at = sqlx::query_scalar!(
            "SELECT position FROM change_cursors WHERE name = 'dispatcher' FOR UPDATE"
        )
        .fetch_one(&mut *conn)
        .await?;
        // A statement of its own, so that its snapshot is younger than the lock.
        let stamped = sqlx::query_file!("queries/stamp_changes.sql", at, limit)
            .execute(&mut *conn)
            .await?
            .rows_affected();
        let stamped = i64::try_from(stamped).unwrap_or_default();
        if stamped > 0 {
            sqlx::query!(
                "UPDATE change_cursors SET position = position + $1 WHERE name = 'dispatcher'",
                stamped
            )
            .execute(&mut *conn)
            .await?;
            sqlx::query!("SELECT pg_notify('forecourt_changes', '')")
                .execute(conn)
                .await?;
        }
        Ok(stamped)
    }

    /// Notes the rooftops whose units changed in these positions, for their parents; returns how many.
    pub async fn mark_rooftops(conn: &mut PgConnection, after: i64, up_to: i64) -> Res<i64> {
        let marked = sqlx::query!(
            "INSERT INTO parent_dirty (dealer_id, position)
             SELECT dealer_id, max(position) FROM changes
             WHERE position > $1 AND position <= $2 AND kind <> 'parent' GROUP BY dealer_id",
            after,
            up_to
        )
        .execute(conn)
        .await?
        .rows_affected();
        Ok(i64::try_from(marked).unwrap_or_default())
    }

    /// Everything up to here is stamped.
    pub async fn position(conn: &mut PgConnection) -> Res<i64> {
        Ok(
            sqlx::query_scalar!("SELECT position FROM change_cursors WHERE name = 'dispatcher'")
                .fetch_one(conn)
                .await?,
        )
    }

    /// Changes not stamped yet.
    pub async fn unstamped(conn: &mut PgConnection) -> Res<i64> {
        Ok(
            sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM changes WHERE position IS NULL"#)
                .fetch_one(conn)
                .await?,
        )
    }

    pub async fn after(conn: &mut PgConnection, position: i64, limit: i64) -> Res<Vec<Change>> {
        Ok(sqlx::query_as!(
            Change,
            r#"SELECT position AS "position!", listing_id, what, version FROM changes
               WHERE position > $1 ORDER BY position LIMIT $2"#,
            position,
            limit
        )
        .fetch_all(conn)
        .await?)
    }
}
