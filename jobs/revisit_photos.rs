//! Ask again for the photos of units whose rows do not change: a part of the lot every night, all of it in a month.
//!
//! Starts: cron. Reads: `listings`. Writes: nothing.
//! Then: `hash_photos`, which asks by what each host said of a photo before.
//! Twice: what was asked for within a week is not asked for again.

use crate::{App, HashPhotos, PHOTOS_PER_JOB};
use queue::{
    Engine, Enqueue, Job, JobContext, JobError, Outcome, Policy, Priority, QueueName, Unique,
};
use serde::{Deserialize, Serialize};
use stores::Photos;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RevisitPhotos {
    /// Nights it takes to come round; 1 is the whole lot tonight.
    #[serde(default = "a_month")]
    pub nights: u16,
}

fn a_month() -> u16 {
    30
}

/// Seconds.
const DAY: i64 = 24 * 3600;
/// Jobs enqueued in one transaction.
const SLICE: usize = 500;

#[derive(Debug, Default, Serialize)]
struct Report {
    listings: usize,
    jobs: usize,
}

impl Job for RevisitPhotos {
    type App = App;
    const NAME: &'static str = "revisit_photos";
    const POLICY: Policy = Policy {
        queue: QueueName::Upkeep,
        priority: Priority::Low,
        unique: Unique::WhileUnfinished,
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        if self.nights == 0 {
            return Err(JobError::reject_because("nights: at least 1"));
        }
        let mut conn = app.pool.acquire().await?;
        let night = stores::now(&mut conn).await?.as_second() / DAY;
        let due = Photos::to_revisit(&mut conn, night, i64::from(self.nights)).await?;
        drop(conn);
        let mut report = Report {
            listings: due.len(),
            ..Report::default()
        };
        let jobs: Vec<&[i64]> = due.chunks(PHOTOS_PER_JOB).collect();
        for slice in jobs.chunks(SLICE) {
            let orders = slice
                .iter()
                .map(|listings| Ok(Enqueue::of(&HashPhotos::of(listings))?.run(cx.run_id)))
                .collect::<Result<Vec<_>, serde_json::Error>>()?;
            let mut tx = app.pool.begin().await?;
            app.engine.enqueue(&mut tx, &orders).await?;
            tx.commit().await?;
            report.jobs += orders.len();
        }
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}
