//! Actions on a filter: previewed, accepted at once, done in slices by a job, with a result per row.
//!
//! What matched is looked at again when its turn comes: a job that went on meanwhile is left alone, and says
//! so. Jobs enqueued after the action was accepted are never touched.

mod act;

use crate::inspect::{JobFilter, JobState, stamp};
use crate::policy::Priority;
use crate::{AnyEngine, EngineError};
use act::act;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is done to each job of a filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum BulkAction {
    /// Dead and cancelled jobs run again, with a fresh allowance of attempts; so many a second when given.
    Retry { per_second: Option<f64> },
    /// Waiting jobs end, running ones are dropped by their workers.
    Cancel,
    /// Ended jobs are forgotten.
    Delete,
    /// Waiting jobs come sooner or later than others.
    Reprioritise { priority: Priority },
    /// Waiting jobs are due this many seconds after the action; so many a second when given.
    Move {
        in_seconds: f64,
        per_second: Option<f64>,
    },
}

impl BulkAction {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::Reprioritise { .. } => "reprioritise",
            Self::Move { .. } => "move",
        }
    }

    /// States it can do anything to.
    pub fn states(&self) -> &'static [JobState] {
        match self {
            Self::Retry { .. } => &[JobState::Dead, JobState::Cancelled],
            Self::Cancel => &[JobState::Scheduled, JobState::Ready, JobState::Running],
            Self::Delete => &[JobState::Done, JobState::Dead, JobState::Cancelled],
            Self::Reprioritise { .. } | Self::Move { .. } => {
                &[JobState::Scheduled, JobState::Ready]
            }
        }
    }

    fn pace(&self) -> Option<f64> {
        match self {
            Self::Retry { per_second } | Self::Move { per_second, .. } => {
                per_second.filter(|rate| *rate > 0.0)
            }
            _ => None,
        }
    }
}

/// What an action would touch.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    pub jobs: i64,
    /// How many of them call whom; the empty name calls nobody.
    pub by_partner: BTreeMap<String, i64>,
    pub by_state: BTreeMap<String, i64>,
    /// The newest few: id, kind, state.
    pub sample: Vec<(i64, String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error("this matches every job: say --all (`all` in the API) if that is meant")]
    Everything,
    #[error("{action} does nothing to jobs that are {state}")]
    State {
        action: &'static str,
        state: &'static str,
    },
    #[error("bulk action")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("bulk action {id} cannot be read")]
    Stored {
        id: i64,
        #[source]
        source: serde_json::Error,
    },
}

/// An accepted action as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Bulk {
    pub id: i64,
    #[serde(flatten)]
    pub action: BulkAction,
    pub filter: JobFilter,
    pub who: String,
    /// Jobs that matched when it was accepted.
    pub matched: i64,
    pub done: i64,
    pub skipped: i64,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    #[serde(skip)]
    at_job: i64,
}

/// What the catalogue knows of a kind: how many attempts it gets, and the key its arguments take.
pub type KindOf<'a> = &'a (dyn Fn(&str, &serde_json::Value) -> (u16, Option<String>) + Sync);

/// One ended job to put back.
#[derive(Clone, Debug)]
pub struct Revival {
    pub id: i64,
    pub delay: Duration,
    pub attempts: u16,
    pub key: Option<String>,
}

/// One waiting job's other time or priority.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub id: i64,
    pub delay: Option<Duration>,
    pub priority: Option<Priority>,
}

/// Jobs one step looks at.
const SLICE: i64 = 1_000;

struct Found {
    id: i64,
    kind: String,
    state: String,
    args: serde_json::Value,
}

pub struct Bulks;

impl Bulks {
    pub async fn preview(
        conn: &mut PgConnection,
        action: &BulkAction,
        filter: &JobFilter,
    ) -> Result<Preview, BulkError> {
        let states = states(action, filter)?;
        let rows = load(conn, filter, &states, i64::MAX).await?;
        let mut preview = Preview {
            jobs: 0,
            by_partner: BTreeMap::new(),
            by_state: BTreeMap::new(),
            sample: Vec::new(),
        };
        for (partner, state, jobs) in rows {
            preview.jobs += jobs;
            *preview.by_partner.entry(partner).or_default() += jobs;
            *preview.by_state.entry(state).or_default() += jobs;
        }
        let newest = page(conn, filter, &states, i64::MAX, 10).await?;
        preview.sample = newest
            .into_iter()
            .map(|job| (job.id, job.kind, job.state))
            .collect();
        Ok(preview)
    }

    /// Writes the action down; whoever calls enqueues the job that does it. `all` says that a filter
    /// without any part is meant.
    pub async fn accept(
        conn: &mut PgConnection,
        action: &BulkAction,
        filter: &JobFilter,
        all: bool,
        who: &str,
    ) -> Result<Bulk, BulkError> {
        if filter.is_empty() && !all {
            return Err(BulkError::Everything);
        }
        let states = states(action, filter)?;
        let newest = sqlx::query_scalar!(r#"SELECT last_value + 1 AS "newest!" FROM job_ids"#)
            .fetch_one(&mut *conn)
            .await?;
        let rows = load(conn, filter, &states, newest).await?;
        let matched: i64 = rows.iter().map(|row| row.2).sum();
        let id = sqlx::query_scalar!(
            "INSERT INTO bulks (action, detail, filter, who, matched, newest, at_job)
             VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id",
            action.as_str(),
            serde_json::to_value(action).unwrap_or_default(),
            serde_json::to_value(filter).unwrap_or_default(),
            who,
            matched,
            newest
        )
        .fetch_one(&mut *conn)
        .await?;
        Self::find(conn, id)
            .await?
            .ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    pub async fn find(conn: &mut PgConnection, id: i64) -> Result<Option<Bulk>, BulkError> {
        Ok(Self::read(conn, Some(id), 1).await?.pop())
    }

    /// Newest first.
    pub async fn list(conn: &mut PgConnection, limit: i64) -> Result<Vec<Bulk>, BulkError> {
        Self::read(conn, None, limit).await
    }

    async fn read(
        conn: &mut PgConnection,
        id: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Bulk>, BulkError> {
        let rows = sqlx::query!(
            "SELECT id, detail, filter, who, matched, done, skipped, created_at, ended_at, at_job FROM bulks
             WHERE $1::bigint IS NULL OR id = $1 ORDER BY id DESC LIMIT $2",
            id,
            limit
        )
        .fetch_all(conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                let stored = |source| BulkError::Stored { id: row.id, source };
                Ok(Bulk {
                    id: row.id,
                    action: serde_json::from_value(row.detail).map_err(stored)?,
                    filter: serde_json::from_value(row.filter).map_err(stored)?,
                    who: row.who,
                    matched: row.matched,
                    done: row.done,
                    skipped: row.skipped,
                    created_at: stamp(row.created_at),
                    ended_at: row.ended_at.map(stamp),
                    at_job: row.at_job,
                })
            })
            .collect()
    }

    /// What came of each job, newest job first, below `before`.
    pub async fn results(
        conn: &mut PgConnection,
        id: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<(i64, String)>, BulkError> {
        let rows = sqlx::query!(
            "SELECT job_id, result FROM bulk_results WHERE bulk_id = $1 AND job_id < $2 ORDER BY job_id DESC LIMIT $3",
            id,
            before.unwrap_or(i64::MAX),
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.job_id, row.result))
            .collect())
    }

    /// Deals with the next slice, in one transaction as far as the action is PostgreSQL's; `false` when
    /// nothing is left.
    pub async fn step(engine: &AnyEngine, id: i64, kinds: KindOf<'_>) -> Result<bool, BulkError> {
        let mut tx = engine.pool().begin().await?;
        // Two deliveries of its job do not deal with one slice twice.
        sqlx::query!("SELECT id FROM bulks WHERE id = $1 FOR UPDATE", id)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(bulk) = Self::find(&mut tx, id).await? else {
            return Ok(false);
        };
        if bulk.ended_at.is_some() {
            return Ok(false);
        }
        let states = states(&bulk.action, &bulk.filter)?;
        let jobs = page(&mut tx, &bulk.filter, &states, bulk.at_job, SLICE).await?;
        let Some(last) = jobs.last().map(|job| job.id) else {
            sqlx::query!("UPDATE bulks SET ended_at = now() WHERE id = $1", id)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            return Ok(false);
        };
        let results = act(engine, &mut tx, &bulk, &jobs, kinds).await?;
        let done = results.iter().filter(|result| result.is_ok()).count();
        let words: Vec<String> = results
            .into_iter()
            .map(|result| match result {
                Ok(word) => word.to_owned(),
                Err(why) => format!("skipped: {why}"),
            })
            .collect();
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        sqlx::query!(
            "INSERT INTO bulk_results (bulk_id, job_id, result)
             SELECT $1, * FROM unnest($2::bigint[], $3::text[]) ON CONFLICT DO NOTHING",
            id,
            &ids,
            &words
        )
        .execute(&mut *tx)
        .await?;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        sqlx::query!(
            "UPDATE bulks SET at_job = $2, done = done + $3, skipped = skipped + $4 WHERE id = $1",
            id,
            last,
            count(done),
            count(ids.len() - done)
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What the filter and the action have in common.
fn states(action: &BulkAction, filter: &JobFilter) -> Result<Vec<String>, BulkError> {
    let all = action.states();
    let states: Vec<JobState> = match filter.state {
        None => all.to_vec(),
        Some(state) if all.contains(&state) => vec![state],
        Some(state) => {
            return Err(BulkError::State {
                action: action.as_str(),
                state: state.as_str(),
            });
        }
    };
    Ok(states
        .into_iter()
        .map(|state| state.as_str().to_owned())
        .collect())
}

async fn page(
    conn: &mut PgConnection,
    filter: &JobFilter,
    states: &[String],
    below: i64,
    rows: i64,
) -> sqlx::Result<Vec<Found>> {
    let rows = sqlx::query_file!(
        "queries/bulk_page.sql",
        states,
        filter.kind,
        filter.queue,
        filter.partner,
        filter.run_id,
        filter.args,
        filter.words,
        filter.since.map(crate::inspect::moment),
        filter.until.map(crate::inspect::moment),
        below,
        rows,
        filter.ids.as_deref()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Found {
            id: row.id,
            kind: row.kind,
            state: row.state,
            args: row.args,
        })
        .collect())
}

async fn load(
    conn: &mut PgConnection,
    filter: &JobFilter,
    states: &[String],
    below: i64,
) -> sqlx::Result<Vec<(String, String, i64)>> {
    let rows = sqlx::query_file!(
        "queries/bulk_load.sql",
        states,
        filter.kind,
        filter.queue,
        filter.partner,
        filter.run_id,
        filter.args,
        filter.words,
        filter.since.map(crate::inspect::moment),
        filter.until.map(crate::inspect::moment),
        below,
        filter.ids.as_deref()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.partner, row.state, row.jobs))
        .collect())
}
