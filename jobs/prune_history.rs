//! Delete finished jobs, raw files and photos past their retention, and make room for the coming days.
//!
//! Starts: cron. Reads: the catalogue's policies. Writes: `jobs_history` and its partitions,
//! `job_attempts`, `job_logs`, `effects`, `job_keys`, `partner_calls`; raw copies of old files with what was refused of
//! them, photos that no unit shows.
//! Twice: there is nothing left to delete. Unfinished jobs live in another table.

use crate::{App, forget};
use queue::{
    Job, JobContext, JobError, Jobs, Outcome, Partner, Policy, Priority, QueueName, Unique,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::Vins;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PruneHistory {}

/// Rows of one short transaction.
const SLICE: i64 = 5_000;
/// Partitions made ahead.
const DAYS_AHEAD: i32 = 7;
/// Attempts and expired keys outlive the longest kind.
const LEFTOVERS: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug, Default, Serialize)]
struct Report {
    jobs: u64,
    leftovers: u64,
    /// Slices of partners' windows.
    calls: u64,
    partitions: i32,
    /// Whose raw copies were forgotten.
    files: u64,
    photo_urls: u64,
    /// Of vehicles that are no listing any more: pages and worths.
    reports: u64,
}

impl Job for PruneHistory {
    type App = App;
    const NAME: &'static str = "prune_history";
    const POLICY: Policy = Policy {
        queue: QueueName::Upkeep,
        priority: Priority::Low,
        timeout: Duration::from_secs(30 * 60),
        unique: Unique::WhileUnfinished,
        retention: Duration::from_secs(3 * 24 * 3600),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        let mut report = Report::default();
        for entry in crate::catalogue().iter() {
            report.jobs += prune_kind(app, entry.name, entry.policy.retention).await?;
        }
        let mut conn = app.pool.acquire().await?;
        loop {
            let pruned = Jobs::prune_leftovers(&mut conn, LEFTOVERS.as_secs_f64(), SLICE).await?;
            report.leftovers += pruned;
            if pruned == 0 {
                break;
            }
        }
        report.calls = Partner::prune_calls(&mut conn).await?;
        while Partner::prune_idle(&mut conn, SLICE).await? > 0 {}
        drop(conn);
        report.files = forget::files(app).await?;
        report.photo_urls = forget::photos(app).await?;
        report.reports = forget::reports(app).await?;
        let mut conn = app.pool.acquire().await?;
        // Of rooftops that no file ends: clients' own, and those whose units left when their grace was over.
        Vins::settle_bad(&mut conn, None).await?;
        report.partitions = Jobs::ensure_history_days(&mut conn, DAYS_AHEAD).await?;
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}

async fn prune_kind(app: &App, kind: &str, retention: Duration) -> Result<u64, JobError> {
    let mut pruned = 0;
    loop {
        let mut conn = app.pool.acquire().await?;
        let slice = Jobs::prune(&mut conn, kind, retention.as_secs_f64(), SLICE).await?;
        pruned += slice;
        if slice < u64::try_from(SLICE).unwrap_or(0) {
            return Ok(pruned);
        }
    }
}
