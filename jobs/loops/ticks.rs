//! The tick maker: the nightly clock. A tick and its job are written in one transaction, so any
//! number of schedulers make exactly one of each.

use super::pause;
use crate::App;
use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use queue::{Engine, EngineError, Jobs, Runs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use stores::{Overlap, Schedule, Schedules, StoreError, Taken};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(1);
/// Ticks of one look: after a long outage the rest follow with the next, a second later.
const CATCH_UP: usize = 1_000;
/// A tick made later than this, in seconds, was caught up.
const LATE: i64 = 60;

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
    #[error(
        "schedule {schedule}: {CATCH_UP} ticks or more between these times; backfill a shorter one"
    )]
    TooMany { schedule: String },
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
    for schedule in &schedules {
        if let Err(error) = tick_one(app, schedule).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Every expected tick gets its verdict, in the transaction that enqueues its job.
async fn tick_one(app: &App, schedule: &Schedule) -> Result<(), ScheduleError> {
    let mut tx = app.pool.begin().await?;
    let Some(taken) = Schedules::take(&mut tx, schedule.id).await? else {
        return Ok(());
    };
    let mut busy = match taken.last_job {
        Some(job) => Jobs::unfinished(&mut tx, &[job]).await? > 0,
        None => false,
    };
    if let Some(at) = taken.buffered_at
        && !busy
    {
        Schedules::untick(&mut tx, schedule.id, at).await?;
        busy = enqueue(app, &mut tx, schedule, at, "ran, after the run before it")
            .await?
            .is_some();
        Schedules::buffer(&mut tx, schedule.id, None).await?;
    }
    let due = due(schedule, taken.ticked_to, taken.now)?;
    if let Some(last) = due.last() {
        judge(app, &mut tx, schedule, &taken, &due, busy).await?;
        Schedules::complete_to(&mut tx, schedule.id, *last).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Ticks after one moment up to another, a bounded number of them.
fn due(
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Timestamp>, ScheduleError> {
    let mut due = Vec::new();
    let mut at = from;
    while due.len() < CATCH_UP {
        at = next_tick(schedule, at)?;
        if at > to {
            break;
        }
        due.push(at);
    }
    Ok(due)
}

async fn judge(
    app: &App,
    tx: &mut stores::PgConnection,
    schedule: &Schedule,
    taken: &Taken,
    due: &[Timestamp],
    busy: bool,
) -> Result<(), ScheduleError> {
    if let Some(who) = &schedule.paused_by {
        Schedules::note(tx, schedule.id, due, &format!("skipped: paused by {who}")).await?;
        return Ok(());
    }
    let late = |at: &Timestamp| taken.now.duration_since(*at).as_secs();
    let (gone, within): (Vec<Timestamp>, Vec<Timestamp>) = due
        .iter()
        .partition(|at| late(at) > schedule.catch_up_seconds);
    let why = format!(
        "missed: later than its catch-up window of {} s",
        schedule.catch_up_seconds
    );
    Schedules::note(tx, schedule.id, &gone, &why).await?;
    let verdict = |at: &Timestamp| if late(at) > LATE { "caught up" } else { "ran" };
    if schedule.overlap == Overlap::Allow {
        for at in &within {
            enqueue(app, tx, schedule, *at, verdict(at)).await?;
        }
        return Ok(());
    }
    // A night that was missed is made up for once, not as often as it was missed.
    let Some((newest, earlier)) = within.split_last() else {
        return Ok(());
    };
    Schedules::note(
        tx,
        schedule.id,
        earlier,
        "missed: no scheduler ran, a later tick makes up for it",
    )
    .await?;
    if !busy {
        enqueue(app, tx, schedule, *newest, verdict(newest)).await?;
    } else if schedule.overlap == Overlap::BufferOne && taken.buffered_at.is_none() {
        Schedules::note(
            tx,
            schedule.id,
            &[*newest],
            "buffered: waits for the run before it",
        )
        .await?;
        Schedules::buffer(tx, schedule.id, Some(*newest)).await?;
    } else {
        Schedules::note(
            tx,
            schedule.id,
            &[*newest],
            "skipped: the run before it has not ended",
        )
        .await?;
    }
    Ok(())
}

/// Runs the ticks of a time that has passed and that have no run of their own; the ledger says who asked.
/// Returns their jobs.
pub async fn backfill(
    app: &App,
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    who: &str,
) -> Result<Vec<i64>, ScheduleError> {
    let mut tx = app.pool.begin().await?;
    let now = stores::now(&mut tx).await?;
    let from = from
        .checked_sub(jiff::SignedDuration::from_nanos(1))
        .unwrap_or(from);
    let mut jobs = Vec::new();
    let ticks = due(schedule, from, to.min(now))?;
    if ticks.len() >= CATCH_UP {
        return Err(ScheduleError::TooMany {
            schedule: schedule.key.clone(),
        });
    }
    for at in ticks {
        Schedules::untick(&mut tx, schedule.id, at).await?;
        let made = enqueue(app, &mut tx, schedule, at, &format!("backfilled by {who}")).await?;
        jobs.extend(made.map(|(job, _)| job));
    }
    tx.commit().await?;
    Ok(jobs)
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
