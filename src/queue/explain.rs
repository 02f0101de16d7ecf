//! Why isn't this running? The true reason and when it ends, from the gate that decides claiming.

use crate::inspect::stamp;
use crate::lanes::{Block, Gate, gate, moved_on};
use crate::{AnyEngine, Engine, EngineError, JobRecord, JobState};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use std::time::Duration;

/// What a job is waiting for, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It has ended.
    Ended,
    Running,
    /// Its worker has not been heard of: it is rescued when its lease runs out.
    WorkerSilent,
    /// Its time has not come: enqueued for later, tried again later, snoozed (a budget, a turn, a partner).
    Scheduled,
    Paused,
    Isolated,
    Breaker,
    Concurrency,
    /// No living worker serves its queue.
    NoWorker,
    /// It was rescued: such jobs run alone, one at a time.
    Quarantined,
    /// Others are before it.
    InLine,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Running => "running",
            Self::WorkerSilent => "worker_silent",
            Self::Scheduled => "scheduled",
            Self::Paused => "paused",
            Self::Isolated => "isolated",
            Self::Breaker => "breaker",
            Self::Concurrency => "concurrency",
            Self::NoWorker => "no_worker",
            Self::Quarantined => "quarantined",
            Self::InLine => "in_line",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub job: i64,
    pub state: JobState,
    pub cause: Cause,
    pub reason: String,
    /// When it is expected to begin (or, of a silent worker's, to be rescued); `None` when nobody can know:
    /// somebody has to do something.
    pub eta: Option<Timestamp>,
    /// What will hold it up after that, as things are now.
    pub then: Vec<String>,
    /// The command that mends it, where one does.
    pub mend: Option<String>,
}

/// How fast a queue works is judged by its last minutes.
const LOOK_BACK: Duration = Duration::from_secs(300);
/// A worker is heard of every three seconds.
const SILENT_SECONDS: f64 = 10.0;

struct Found {
    cause: Cause,
    reason: String,
    eta: Option<Timestamp>,
    mend: Option<String>,
}

/// `None` when there is no such job.
pub async fn explain(engine: &AnyEngine, id: i64) -> Result<Option<Explanation>, EngineError> {
    let Some(job) = engine.find(id).await? else {
        return Ok(None);
    };
    let told = told(engine, &job).await.map_err(|source| EngineError {
        operation: "explain",
        source: source.into(),
    })?;
    let mut told = told.into_iter();
    let Some(first) = told.next() else {
        return Ok(None);
    };
    Ok(Some(Explanation {
        job: id,
        state: job.state,
        cause: first.cause,
        reason: first.reason,
        eta: first.eta,
        then: told.map(|later| later.reason).collect(),
        mend: first.mend,
    }))
}

fn failed(source: sqlx::Error) -> EngineError {
    EngineError {
        operation: "explain",
        source: source.into(),
    }
}

/// In the order in which they matter.
async fn told(engine: &AnyEngine, job: &JobRecord) -> Result<Vec<Found>, EngineError> {
    let mut conn = engine.pool().acquire().await.map_err(failed)?;
    let found = match job.state {
        JobState::Done | JobState::Dead | JobState::Cancelled => vec![ended(job)],
        JobState::Running => vec![running(&mut conn, job).await.map_err(failed)?],
        JobState::Scheduled => {
            let mut found = vec![scheduled(job)];
            found.extend(held_up(engine, &mut conn, job).await?);
            found
        }
        JobState::Ready => {
            let mut found = held_up(engine, &mut conn, job).await?;
            if found.is_empty() {
                found.push(in_line(&mut conn, job).await.map_err(failed)?);
            }
            found
        }
    };
    Ok(found)
}

fn ended(job: &JobRecord) -> Found {
    let at = job
        .finished_at
        .map_or(String::new(), |at| format!(" since {at:.0}"));
    let why = job
        .error
        .as_ref()
        .and_then(|error| error["message"].as_str())
        .map_or(String::new(), |message| format!(": {message}"));
    let state = job.state.as_str();
    let again = matches!(job.state, JobState::Dead | JobState::Cancelled);
    Found {
        cause: Cause::Ended,
        reason: format!("it is {state}{at}{why}"),
        eta: None,
        mend: again.then(|| format!("forecourt jobs retry {}", job.id)),
    }
}

async fn running(conn: &mut PgConnection, job: &JobRecord) -> sqlx::Result<Found> {
    let worker = job.worker.clone().unwrap_or_default();
    let since = job
        .started_at
        .map_or(String::new(), |at| format!(" since {at:.0}"));
    let row = sqlx::query!(
        r#"SELECT extract(epoch FROM now() - seen_at)::float8 AS "silent!", now() AS "now!"
           FROM workers WHERE name = $1"#,
        worker
    )
    .fetch_optional(conn)
    .await?;
    let (silent, now) = match row {
        Some(row) => (Some(row.silent), stamp(row.now)),
        None => (None, Timestamp::UNIX_EPOCH),
    };
    Ok(match silent {
        Some(silent) if silent > SILENT_SECONDS => Found {
            cause: Cause::WorkerSilent,
            reason: format!(
                "worker {worker} took it{since} and was last heard of {silent:.0} s ago: it is rescued when its lease runs out"
            ),
            eta: Some(moved_on(now, crate::LEASE)),
            mend: None,
        },
        _ => Found {
            cause: Cause::Running,
            reason: format!("worker {worker} runs it{since}"),
            eta: None,
            mend: None,
        },
    })
}

fn scheduled(job: &JobRecord) -> Found {
    let at = job.run_at;
    let reason = match &job.why {
        Some(why) => format!("it waits until {at:.0}: {why}"),
        None => format!("it was enqueued for {at:.0}"),
    };
    Found {
        cause: Cause::Scheduled,
        reason,
        eta: Some(at),
        mend: Some(format!("forecourt jobs move {} --to now", job.id)),
    }
}

/// What stands between a due job and being claimed, but for others before it.
async fn held_up(
    engine: &AnyEngine,
    conn: &mut PgConnection,
    job: &JobRecord,
) -> Result<Vec<Found>, EngineError> {
    let mut found = Vec::new();
    let queue = crate::QueueName::parse(&job.queue);
    let lanes = match queue {
        Some(queue) => engine.lanes(Some(queue)).await?,
        None => Vec::new(),
    };
    let lane = lanes.iter().find(|lane| lane.partner == job.partner);
    if let Some(lane) = lane
        && let Gate::Blocked { by, reason, until } = gate(lane, lane.as_of)
    {
        found.push(blocked(job, by, reason, until));
    }
    let served = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM workers WHERE $1 = ANY(queues)
                          AND seen_at > now() - $2::float8 * interval '1 second') AS "is!""#,
        job.queue,
        SILENT_SECONDS
    )
    .fetch_one(conn)
    .await
    .map_err(failed)?;
    if !served {
        found.push(Found {
            cause: Cause::NoWorker,
            reason: format!("no living worker serves queue {}", job.queue),
            eta: None,
            mend: Some("forecourt work".to_owned()),
        });
    }
    Ok(found)
}

fn blocked(job: &JobRecord, by: Block, reason: String, until: Option<Timestamp>) -> Found {
    let (cause, mend) = match by {
        Block::Paused => (
            Cause::Paused,
            Some(format!("forecourt queues resume {}", job.queue)),
        ),
        Block::Isolated => (
            Cause::Isolated,
            Some(format!("forecourt partners close {:?}", job.partner)),
        ),
        Block::Breaker => (
            Cause::Breaker,
            Some(format!("forecourt partners probe {:?}", job.partner)),
        ),
        Block::Concurrency => (Cause::Concurrency, None),
    };
    Found {
        cause,
        reason,
        eta: until,
        mend,
    }
}

/// Its place among those that are due, and the pace of its queue.
async fn in_line(conn: &mut PgConnection, job: &JobRecord) -> sqlx::Result<Found> {
    let row = sqlx::query_file!("queries/place_in_line.sql", job.id, LOOK_BACK.as_secs_f64())
        .fetch_optional(conn)
        .await?;
    // It was taken between two looks.
    let Some(row) = row else {
        return Ok(Found {
            cause: Cause::Running,
            reason: "it has just been claimed".to_owned(),
            eta: None,
            mend: None,
        });
    };
    if row.quarantined {
        return Ok(Found {
            cause: Cause::Quarantined,
            reason: "its worker died: such jobs run alone, one at a time".to_owned(),
            eta: None,
            mend: None,
        });
    }
    let pace = row.ended / LOOK_BACK.as_secs_f64();
    let before = row.before;
    let eta = (pace > 0.0)
        .then(|| {
            Duration::try_from_secs_f64(
                f64::from(u32::try_from(before + 1).unwrap_or(u32::MAX)) / pace,
            )
        })
        .and_then(Result::ok)
        .map(|wait| moved_on(stamp(row.now), wait));
    let speed = if pace > 0.0 {
        format!("; queue {} ends {pace:.1} a second", job.queue)
    } else {
        String::new()
    };
    Ok(Found {
        cause: Cause::InLine,
        reason: format!("{before} jobs are before it{speed}"),
        eta,
        mend: None,
    })
}
