//! Do to jobs what an operator asked for, slice by slice.
//!
//! Starts: `POST /v2/bulk-actions`, the console, `forecourt jobs retry|cancel|delete|reprioritise|move`.
//! Reads: `bulks`, jobs of its filter. Writes: those jobs, `bulk_results`.
//! Twice: the action remembers how far it is; a job it has dealt with is not in the state any more.

use crate::App;
use queue::{
    Bulk, BulkAction, BulkError, Bulks, Engine, EngineError, Enqueue, Job, JobContext, JobError,
    JobFilter, Outcome, Policy, Priority,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Audit, SqlError, StoreError};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActOnJobs {
    pub bulk: i64,
}

impl Job for ActOnJobs {
    type App = App;
    const NAME: &'static str = "act_on_jobs";
    const POLICY: Policy = Policy {
        priority: Priority::High,
        // A million jobs, a thousand at a time.
        timeout: Duration::from_secs(60 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.bulk.to_string())
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let kinds = crate::catalogue();
        let kind_of = |kind: &str, args: &serde_json::Value| kinds.revival(kind, args);
        while Bulks::step(&app.engine, self.bulk, &kind_of).await? {
            if let Some(bulk) = found(app, self.bulk).await? {
                let (done, all) = (bulk.done + bulk.skipped, bulk.matched);
                let count = |n: i64| u64::try_from(n).unwrap_or(0);
                cx.progress(count(done), Some(count(all)), "jobs");
            }
        }
        match found(app, self.bulk).await? {
            Some(bulk) => Ok(Outcome::Done(serde_json::json!({
                "matched": bulk.matched, "done": bulk.done, "skipped": bulk.skipped,
            }))),
            None => Err(JobError::reject_because(format!(
                "there is no bulk action {}",
                self.bulk
            ))),
        }
    }
}

async fn found(app: &App, id: i64) -> Result<Option<queue::Bulk>, BulkError> {
    Bulks::find(&mut *app.pool.acquire().await?, id).await
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error(transparent)]
    Bulk(#[from] BulkError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("note the action")]
    Store(#[from] StoreError),
    #[error("arguments")]
    Arguments(#[from] serde_json::Error),
    #[error("a connection")]
    Sql(#[from] SqlError),
}

/// Writes the action down, notes who asked, and enqueues the job that does it, in one transaction. `all` says
/// that a filter without any part is meant.
pub async fn accept(
    app: &App,
    action: &BulkAction,
    filter: &JobFilter,
    all: bool,
    who: &str,
) -> Result<(Bulk, i64), AcceptError> {
    let mut tx = app.pool.begin().await?;
    let bulk = Bulks::accept(&mut tx, action, filter, all, who).await?;
    let subject = format!(
        "bulk action {}: {}",
        bulk.id,
        serde_json::to_string(filter)?
    );
    Audit::note(&mut tx, who, action.as_str(), &subject).await?;
    let order = Enqueue::of(&ActOnJobs { bulk: bulk.id })?;
    let jobs = app.engine.enqueue(&mut tx, &[order]).await?;
    tx.commit().await?;
    Ok((bulk, jobs.first().map_or(0, |job| job.id)))
}
