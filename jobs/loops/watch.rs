//! The watch: what no job notices of itself (an open breaker, a tick that was missed, a feed gone stale, a queue
//! nobody works) becomes an alert, ends when it does, and is told to somebody.

use super::pause;
use crate::{App, DeliverAlert, ProbePartner};
use queue::{BreakerState, Engine, EngineError, Enqueue, Partner};
use std::sync::Arc;
use std::time::Duration;
use stores::{Alerts, Feeds, PgConnection, Schedules, StoreError};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(5);
/// One process watches at a time; when it goes, the next one has this long to wait.
const HOLD: Duration = Duration::from_secs(15);
/// A tick that was missed is told of for this long.
const MISSED: Duration = Duration::from_secs(24 * 3600);
/// A feed that was not confirmed for this long is stale, in hours: a night and what may go wrong in it.
const STALE_HOURS: f64 = 30.0;
/// Ready jobs of a queue that nobody works for this long.
const UNWORKED_SECONDS: f64 = 120.0;

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("what is watched")]
    Store(#[from] StoreError),
    #[error("telling of an alert")]
    Queue(#[from] EngineError),
    #[error("arguments")]
    Arguments(#[from] serde_json::Error),
    #[error("a connection")]
    Sql(#[from] stores::SqlError),
}

pub(super) async fn run(app: Arc<App>, stop: CancellationToken) {
    let owner = queue::boot_name();
    let mut failing = false;
    while pause(&stop, EVERY).await {
        match app.locks.take("the watch", &owner, HOLD).await {
            Ok(Some(_)) => {}
            // Another process watches, or nobody can be asked: the others say so loudly enough.
            Ok(None) | Err(_) => continue,
        }
        match watch(&app).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "nobody watches");
            }
            Err(_) => {}
        }
    }
}

/// One look at everything.
pub async fn watch(app: &App) -> Result<(), WatchError> {
    let mut tx = app.pool.begin().await?;
    breakers(&mut tx).await?;
    missed_ticks(&mut tx).await?;
    stale_feeds(&mut tx).await?;
    unworked_queues(&mut tx).await?;
    let mut orders = probes(app, &mut tx).await?;
    if app.webhook.is_some() {
        for alert in Alerts::undelivered(&mut tx).await? {
            orders.push(Enqueue::of(&DeliverAlert { alert })?);
        }
    }
    if !orders.is_empty() {
        app.engine.enqueue(&mut tx, &orders).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Raises those that hold now, ends those that hold no more.
async fn settle(
    conn: &mut PgConnection,
    what: &str,
    severity: &str,
    now: &[(String, String)],
) -> Result<(), WatchError> {
    for (subject, message) in now {
        Alerts::raise(conn, what, severity, subject, message).await?;
    }
    let subjects: Vec<String> = now.iter().map(|(subject, _)| subject.clone()).collect();
    Alerts::resolve_others(conn, what, &subjects).await?;
    Ok(())
}

async fn breakers(conn: &mut PgConnection) -> Result<(), WatchError> {
    let open: Vec<(String, String)> = Partner::list_shut(conn)
        .await?
        .into_iter()
        .map(|partner| {
            let why = partner.reason.unwrap_or_default();
            (
                partner.name,
                format!("its breaker is {}: {why}", partner.state.as_str()),
            )
        })
        .collect();
    settle(conn, "breaker_open", "critical", &open).await
}

/// Partners whose break is over are asked whether they are back: nobody else may have anything to ask.
async fn probes(app: &App, conn: &mut PgConnection) -> Result<Vec<Enqueue>, WatchError> {
    let partners = Partner::list_shut(conn).await?;
    let over = partners.into_iter().filter(|partner| {
        partner.state == BreakerState::Open
            && partner.until.is_none_or(|until| until <= partner.as_of)
            // The alert that its breaker is open is told to it, and is its probe.
            && !(partner.name == "webhook" && app.webhook.is_some())
    });
    over.map(|partner| {
        Ok(Enqueue::of(&ProbePartner {
            partner: partner.name,
        })?)
    })
    .collect()
}

async fn missed_ticks(conn: &mut PgConnection) -> Result<(), WatchError> {
    let now = stores::now(conn).await?;
    let since = now.checked_sub(MISSED).unwrap_or(now);
    let missed: Vec<(String, String)> = Schedules::missed_since(conn, since)
        .await?
        .into_iter()
        .map(|(key, count)| {
            let message = format!(
                "{count} ticks of the last day did not run; see `forecourt schedules ticks {key}`, backfill if they matter"
            );
            (key, message)
        })
        .collect();
    settle(conn, "missed_ticks", "warning", &missed).await
}

async fn stale_feeds(conn: &mut PgConnection) -> Result<(), WatchError> {
    let stale: Vec<(String, String)> = Feeds::stale(conn, STALE_HOURS)
        .await?
        .into_iter()
        .map(|feed| {
            let message =
                format!("not built for {STALE_HOURS} hours; see `forecourt feeds runs {feed}`");
            (feed, message)
        })
        .collect();
    settle(conn, "feed_stale", "critical", &stale).await
}

async fn unworked_queues(conn: &mut PgConnection) -> Result<(), WatchError> {
    let unworked: Vec<(String, String)> = queue::Jobs::unworked(conn, UNWORKED_SECONDS)
        .await?
        .into_iter()
        .map(|(queue, jobs)| {
            let message = format!(
                "{jobs} jobs are ready and no worker serves this queue: start `forecourt work`"
            );
            (queue, message)
        })
        .collect();
    settle(conn, "queue_unworked", "critical", &unworked).await
}
