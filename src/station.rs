//! Somewhere to run jobs for one command: the instance that runs already, the platform the
//! environment names, or private servers for as long as the command lasts.

use crate::platform::Platform;
use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use queue::{Engine, Enqueue, JobFilter, Jobs, Progress, Runs, Workers};
use std::path::Path;
use std::time::{Duration, Instant};
use stores::{Feeds, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) struct Station {
    pub(crate) platform: Platform,
    /// Our own, when nobody else's were alive.
    workers: Mutex<Option<Workers>>,
    loops: Option<JoinSet<()>>,
    stop: CancellationToken,
}

/// What a command set going, and what became of it.
pub(crate) struct Performed {
    pub(crate) run: i64,
    pub(crate) jobs: Vec<i64>,
    pub(crate) progress: Progress,
}

/// One command's jobs that have not ended by then are stuck.
const AT_MOST: Duration = Duration::from_secs(3 * 60 * 60);

impl Station {
    pub(crate) async fn open(data_dir: &Path) -> Result<Self> {
        let stop = CancellationToken::new();
        let platform = Platform::open(data_dir).await?;
        let loops = platform
            .is_private()
            .then(|| jobs::loops::start(&platform.app, &stop));
        ensure_feeds(&platform).await?;
        // On servers of our own there is nobody else, whatever a killed process left written.
        let workers = match platform.is_private() {
            true => Some(platform.work()?),
            false => None,
        };
        let station = Self {
            platform,
            workers: Mutex::new(workers),
            loops,
            stop,
        };
        station.work_if_alone().await?;
        Ok(station)
    }

    /// Nobody would run what this command enqueues: then it does.
    async fn work_if_alone(&self) -> Result<()> {
        let mut conn = self.platform.app.pool.acquire().await?;
        let alive = Runs::workers_alive(&mut conn).await?;
        drop(conn);
        let mut ours = self.workers.lock().await;
        if alive == 0 && ours.is_none() {
            *ours = Some(self.platform.work()?);
        }
        Ok(())
    }

    /// Enqueues as one run, and waits until all that follows has ended. A job that was queued already is
    /// waited for too; the ids of the jobs.
    pub(crate) async fn perform(
        &self,
        cause: &str,
        subject: &str,
        words: &'static str,
        orders: Vec<Enqueue>,
    ) -> Result<Performed> {
        let mut tx = self.platform.app.pool.begin().await?;
        let performed = self.begin(&mut tx, cause, subject, orders).await?;
        tx.commit().await?;
        self.finish(performed, words).await
    }

    /// The first half, in the caller's transaction.
    pub(crate) async fn begin(
        &self,
        tx: &mut PgConnection,
        cause: &str,
        subject: &str,
        orders: Vec<Enqueue>,
    ) -> Result<Performed> {
        let run = Runs::begin(&mut *tx, cause, subject).await?;
        let orders: Vec<Enqueue> = orders
            .into_iter()
            .map(|order| order.run(Some(run)))
            .collect();
        let enqueued = self.platform.engine.enqueue(tx, &orders).await?;
        Ok(Performed {
            run,
            jobs: enqueued.iter().map(|job| job.id).collect(),
            progress: Progress::default(),
        })
    }

    /// The second, when that is committed.
    pub(crate) async fn finish(
        &self,
        performed: Performed,
        words: &'static str,
    ) -> Result<Performed> {
        let progress = self.watch(&performed, words).await?;
        Ok(Performed {
            progress,
            ..performed
        })
    }

    /// A line for each job of a run: what it reported, or why it died.
    pub(crate) async fn reports(&self, run: i64) -> Result<Vec<String>> {
        let filter = JobFilter {
            run_id: Some(run),
            ..JobFilter::default()
        };
        let mut conn = self.platform.app.pool.acquire().await?;
        let jobs = Jobs::list(&mut conn, &filter, None, 50).await?;
        Ok(jobs
            .into_iter()
            .map(|job| {
                let said = match (&job.error, &job.report) {
                    (Some(error), _) => error["message"].as_str().unwrap_or_default().to_owned(),
                    (None, report) => report.clone().unwrap_or_default().to_string(),
                };
                format!("{} #{} {}: {said}", job.kind, job.id, job.state.as_str())
            })
            .collect())
    }

    async fn watch(&self, performed: &Performed, words: &'static str) -> Result<Progress> {
        let run = performed.run;
        let style =
            ProgressStyle::with_template("{prefix:>14} [{bar:40}] {pos}/{len} jobs  {msg}")?;
        let bar = ProgressBar::new(0).with_style(style).with_prefix(words);
        let begun = Instant::now();
        let mut looked = begun;
        loop {
            let mut conn = self.platform.app.pool.acquire().await?;
            let progress = Runs::progress(&mut conn, &[run]).await?;
            // Of another run, when it was queued before we came.
            let others = Jobs::unfinished(&mut conn, &performed.jobs).await?;
            drop(conn);
            let left = (progress.waiting + progress.running).max(others);
            let left = u64::try_from(left).unwrap_or(0);
            let done = u64::try_from(progress.done + progress.dead).unwrap_or(0);
            bar.set_length(done + left);
            bar.set_position(done);
            if left == 0 {
                bar.finish_and_clear();
                return Ok(progress);
            }
            ensure!(
                begun.elapsed() < AT_MOST,
                "{left} jobs of run {run} do not end, see `forecourt jobs list`"
            );
            // Whoever was alive when we came may be gone.
            if looked.elapsed() > Duration::from_secs(5) {
                self.work_if_alone().await?;
                looked = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        if let Some(workers) = self.workers.into_inner() {
            workers.drain(&self.platform.engine).await;
        }
        if let Some(loops) = self.loops {
            loops.join_all().await;
        }
    }
}

/// The feeds that ship with the program; one that is there already stays as it is.
pub(crate) async fn ensure_feeds(platform: &Platform) -> Result<()> {
    let mut tx = platform.app.pool.begin().await?;
    for (key, text) in feeds::BUILT_IN {
        if Feeds::find(&mut tx, key).await?.is_none() {
            let definition = feeds::Definition::parse(text)?;
            let value = serde_json::to_value(&definition)?;
            Feeds::put(&mut tx, key, &definition.name, &value).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
