//! A partner's row: how it stands, its events, and what operators do to it.

use crate::inspect::stamp;
use crate::lanes::BreakerState;
use jiff::Timestamp;
use sqlx::PgConnection;
use std::time::Duration;

/// A partner as it stands.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Partner {
    pub name: String,
    pub state: BreakerState,
    pub reason: Option<String>,
    pub changed_by: Option<String>,
    pub changed_at: Timestamp,
    pub until: Option<Timestamp>,
    pub max_running: Option<i32>,
    pub calls_per_second: Option<f64>,
    pub break_seconds: f64,
    pub closed_at: Option<Timestamp>,
    /// The store's clock when this was read.
    pub as_of: Timestamp,
    #[serde(skip)]
    version: i64,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct PartnerEvent {
    pub at: Timestamp,
    pub was: String,
    pub became: String,
    pub why: String,
    pub who: Option<String>,
}

impl Partner {
    pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Self>> {
        Self::read(conn, None).await
    }

    pub async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Self>> {
        Ok(Self::read(conn, Some(name)).await?.pop())
    }

    pub(super) async fn ensure(conn: &mut PgConnection, name: &str) -> sqlx::Result<Self> {
        sqlx::query!(
            "INSERT INTO partners (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
            name
        )
        .execute(&mut *conn)
        .await?;
        Self::find(conn, name)
            .await?
            .ok_or(sqlx::Error::RowNotFound)
    }

    async fn read(conn: &mut PgConnection, name: Option<&str>) -> sqlx::Result<Vec<Self>> {
        let rows = sqlx::query!(
            r#"SELECT name, state, reason, changed_by, changed_at, until, max_running, calls_per_second,
                      break_seconds, closed_at, version, now() AS "now!"
               FROM partners WHERE $1::text IS NULL OR name = $1 ORDER BY name"#,
            name
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Self {
                name: row.name,
                state: BreakerState::of(&row.state),
                reason: row.reason,
                changed_by: row.changed_by,
                changed_at: stamp(row.changed_at),
                until: row.until.map(stamp),
                max_running: row.max_running,
                calls_per_second: row.calls_per_second,
                break_seconds: row.break_seconds,
                closed_at: row.closed_at.map(stamp),
                as_of: stamp(row.now),
                version: row.version,
            })
            .collect())
    }

    /// Newest first.
    pub async fn events(
        conn: &mut PgConnection,
        name: &str,
        limit: i64,
    ) -> sqlx::Result<Vec<PartnerEvent>> {
        let rows = sqlx::query!(
            "SELECT at, was, became, why, who FROM partner_events WHERE partner = $1 ORDER BY id DESC LIMIT $2",
            name,
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PartnerEvent {
                at: stamp(row.at),
                was: row.was,
                became: row.became,
                why: row.why,
                who: row.who,
            })
            .collect())
    }

    /// Limits of everything we do with it; `None` for no limit.
    pub async fn limit(
        conn: &mut PgConnection,
        name: &str,
        max_running: Option<u16>,
        calls_per_second: Option<f64>,
    ) -> sqlx::Result<bool> {
        let done = sqlx::query!(
            "UPDATE partners SET max_running = $2, calls_per_second = $3 WHERE name = $1",
            name,
            max_running.map(i32::from),
            calls_per_second.filter(|rate| *rate > 0.0)
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// An operator keeps everybody away, until an operator says otherwise.
    pub async fn isolate(
        conn: &mut PgConnection,
        name: &str,
        who: &str,
        why: &str,
    ) -> sqlx::Result<bool> {
        let from = ["closed", "open", "forced_closed", "isolated"];
        Self::shift(conn, name, &from, "isolated", why, Some(who), None).await
    }

    /// An operator lets everybody through; with `force` it does not open again by itself.
    pub async fn close(
        conn: &mut PgConnection,
        name: &str,
        who: &str,
        force: bool,
    ) -> sqlx::Result<bool> {
        let (from, to) = (
            ["open", "isolated", "forced_closed", "closed"],
            if force { "forced_closed" } else { "closed" },
        );
        Self::shift(conn, name, &from, to, "closed by hand", Some(who), None).await
    }

    /// An open breaker that nobody will ever probe is closed; what an operator said stands.
    pub async fn let_be(conn: &mut PgConnection, name: &str, who: &str) -> sqlx::Result<bool> {
        let why = "nothing calls it any more";
        Self::shift(conn, name, &["open"], "closed", why, Some(who), None).await
    }

    /// The next job or call is the probe, whatever is left of the break.
    pub async fn probe_now(conn: &mut PgConnection, name: &str, who: &str) -> sqlx::Result<bool> {
        let from = ["open", "isolated"];
        let why = "to be probed now";
        Self::shift(
            conn,
            name,
            &from,
            "open",
            why,
            Some(who),
            Some(Duration::ZERO),
        )
        .await
    }

    /// From one of some states to another, with its event. `false` when it was in none of them.
    pub(super) async fn shift(
        conn: &mut PgConnection,
        name: &str,
        from: &[&str],
        to: &str,
        why: &str,
        who: Option<&str>,
        break_for: Option<Duration>,
    ) -> sqlx::Result<bool> {
        let from: Vec<String> = from.iter().map(|state| (*state).to_owned()).collect();
        let done = sqlx::query_file!(
            "queries/partner_shift.sql",
            name,
            &from,
            to,
            why,
            who,
            break_for.map(|length| length.as_secs_f64())
        )
        .execute(&mut *conn)
        .await?;
        if done.rows_affected() == 1 {
            // Claimers look again: a lane may have opened.
            sqlx::query!(
                "SELECT pg_notify('forecourt_jobs', queue) FROM lanes WHERE partner = $1",
                name
            )
            .execute(conn)
            .await?;
        }
        Ok(done.rows_affected() == 1)
    }

    /// Not closed: what a watch looks at.
    pub async fn list_shut(conn: &mut PgConnection) -> sqlx::Result<Vec<Self>> {
        let names = sqlx::query_scalar!(
            "SELECT name FROM partners WHERE state IN ('open', 'isolated') ORDER BY name LIMIT 1000"
        )
        .fetch_all(&mut *conn)
        .await?;
        let mut partners = Vec::new();
        for name in names {
            partners.extend(Self::find(conn, &name).await?);
        }
        Ok(partners)
    }

    /// Hosts that were called once and are well: any file may name any number of them. At most `slice`.
    pub async fn prune_idle(conn: &mut PgConnection, slice: i64) -> sqlx::Result<u64> {
        let done = sqlx::query!(
            "DELETE FROM partners WHERE name IN (
                 SELECT name FROM partners p WHERE state = 'closed' AND max_running IS NULL AND calls_per_second IS NULL
                   AND changed_at < now() - interval '7 days' AND name LIKE 'photos %'
                   AND NOT EXISTS (SELECT 1 FROM partner_calls c WHERE c.partner = p.name) LIMIT $1)",
            slice
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected())
    }

    /// Closed slices of the window that no breaker looks at any more.
    pub async fn prune_calls(conn: &mut PgConnection) -> sqlx::Result<u64> {
        let done =
            sqlx::query!("DELETE FROM partner_calls WHERE slice < now() - interval '1 hour'")
                .execute(conn)
                .await?;
        Ok(done.rows_affected())
    }

    pub fn version(&self) -> i64 {
        self.version
    }
}
