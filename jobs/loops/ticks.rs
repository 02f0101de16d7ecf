//! The tick maker: the nightly clock. A tick and its job are written in one transaction, so any
//! number of schedulers make exactly one of each.

use super::pause;
use crate::App;
use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use queue::{Engine, EngineError, Runs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use stores::{Schedule, Schedules, StoreError};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(1);
/// After a long outage this many missed ticks are written down; the newest runs.
const CATCH_UP: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("schedule {schedule}: {cron:?} is not a cron expression: {problem}")]
    Cron {
        schedule: String,
        cron: String,
        problem: String,
    },
    #[error("schedule {schedule}: there is no time zone {time_zone:?}")]
    TimeZone { schedule: String, time_zone: String },
    #[error("schedule {schedule}: {cron:?} never fires")]
    Never { schedule: String, cron: String },
    #[error("schedule {schedule}: no job is called {kind:?}")]
    Kind { schedule: String, kind: String },
    #[error("schedule {schedule}: arguments")]
    Args {
        schedule: String,
        #[source]
        source: serde_json::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] EngineError),
    #[error("database")]
    Sql(#[from] sqlx::Error),
}

pub(super) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut last = String::new();
    while pause(&stop, EVERY).await {
        let now = match tick_all(&app).await {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        if now != last && !now.is_empty() {
            tracing::error!(error = now, "ticks cannot be made");
        }
        last = now;
    }
}

/// One look at every schedule. One that is broken does not hold up the others.
pub async fn tick_all(app: &App) -> Result<(), ScheduleError> {
    let schedules = Schedules::list(&mut *app.pool.acquire().await?).await?;
    let mut failed = None;
    for schedule in schedules.iter().filter(|schedule| !schedule.paused) {
        if let Err(error) = tick_one(app, schedule).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn tick_one(app: &App, schedule: &Schedule) -> Result<(), ScheduleError> {
    let mut tx = app.pool.begin().await?;
    let Some((from, now)) = Schedules::take(&mut tx, schedule.id).await? else {
        return Ok(());
    };
    let mut due = Vec::new();
    let mut at = from;
    while due.len() < CATCH_UP {
        at = next_tick(schedule, at)?;
        if at > now {
            break;
        }
        due.push(at);
    }
    let Some((newest, missed)) = due.split_last() else {
        return Ok(());
    };
    for at in missed {
        Schedules::tick(&mut tx, schedule.id, *at, "missed: no scheduler ran").await?;
    }
    enqueue(app, &mut tx, schedule, *newest, "ran").await?;
    Schedules::complete_to(&mut tx, schedule.id, *newest).await?;
    tx.commit().await?;
    Ok(())
}

/// Runs a schedule now, outside its times; the ledger says who asked. The job's id and its run.
pub async fn fire(
    app: &App,
    schedule: &Schedule,
    who: &str,
) -> Result<Option<(i64, i64)>, ScheduleError> {
    let mut tx = app.pool.begin().await?;
    let at = stores::now(&mut tx).await?;
    let fired = enqueue(app, &mut tx, schedule, at, &format!("run now by {who}")).await?;
    tx.commit().await?;
    Ok(fired)
}

async fn enqueue(
    app: &App,
    tx: &mut stores::PgConnection,
    schedule: &Schedule,
    at: Timestamp,
    verdict: &str,
) -> Result<Option<(i64, i64)>, ScheduleError> {
    if !Schedules::tick(tx, schedule.id, at, verdict).await? {
        return Ok(None);
    }
    let order = order(schedule)?;
    let run = Runs::begin(tx, &format!("schedule {}", schedule.key), &schedule.kind).await?;
    let enqueued = app.engine.enqueue(tx, &[order.run(Some(run))]).await?;
    let job = enqueued.first().map(|e| e.id).unwrap_or_default();
    Schedules::ticked(tx, schedule.id, at, job).await?;
    Ok(Some((job, run)))
}

fn order(schedule: &Schedule) -> Result<queue::Enqueue, ScheduleError> {
    crate::catalogue()
        .accept(&schedule.kind, schedule.args.clone())
        .ok_or_else(|| ScheduleError::Kind {
            schedule: schedule.key.clone(),
            kind: schedule.kind.clone(),
        })?
        .map_err(|source| ScheduleError::Args {
            schedule: schedule.key.clone(),
            source,
        })
}

/// The first tick after a moment, in the schedule's own time zone.
pub fn next_tick(schedule: &Schedule, after: Timestamp) -> Result<Timestamp, ScheduleError> {
    let cron = Cron::from_str(&schedule.cron).map_err(|error| ScheduleError::Cron {
        schedule: schedule.key.clone(),
        cron: schedule.cron.clone(),
        problem: error.to_string(),
    })?;
    let zone = TimeZone::get(&schedule.time_zone).map_err(|_| ScheduleError::TimeZone {
        schedule: schedule.key.clone(),
        time_zone: schedule.time_zone.clone(),
    })?;
    let next: Zoned = cron
        .find_next_occurrence(&after.to_zoned(zone), false)
        .map_err(|_| ScheduleError::Never {
            schedule: schedule.key.clone(),
            cron: schedule.cron.clone(),
        })?;
    Ok(next.timestamp())
}

/// Everything that would keep a schedule from ever running.
pub fn check_schedule(schedule: &Schedule) -> Result<(), ScheduleError> {
    next_tick(schedule, schedule.ticked_to)?;
    order(schedule)?;
    Ok(())
}
