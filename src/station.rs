//! Somewhere to run jobs for one command: the instance that runs already, the platform the
//! environment names, or private servers for as long as the command lasts.

use crate::config::Config;
use crate::instance::Instance;
use crate::platform::Platform;
use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use queue::{Engine, Enqueue, JobFilter, Jobs, Progress, Runs, Workers};
use std::path::Path;
use std::time::{Duration, Instant};
use stores::Feeds;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) struct Station {
    pub(crate) platform: Platform,
    workers: Option<Workers>,
    loops: Option<JoinSet<()>>,
    stop: CancellationToken,
    /// Dropped last: it stops the servers.
    _instance: Option<Instance>,
}

/// One command's jobs that have not ended by then are stuck.
const AT_MOST: Duration = Duration::from_secs(3 * 60 * 60);

impl Station {
    pub(crate) async fn open(data_dir: &Path) -> Result<Self> {
        let stop = CancellationToken::new();
        let found = match Config::from_env()? {
            Some(config) => Some(config),
            None => Instance::running(data_dir)?,
        };
        let (platform, instance, loops) = match found {
            Some(config) => (Platform::connect(config).await?, None, None),
            None => {
                eprintln!("starting private servers in {}", data_dir.display());
                let instance = Instance::start(data_dir).await?;
                let platform = Platform::connect(instance.config.clone()).await?;
                platform.migrate().await?;
                let loops = jobs::loops::start(&platform.app, &stop);
                (platform, Some(instance), Some(loops))
            }
        };
        ensure_feeds(&platform).await?;
        // Nobody would run what this command enqueues: then it does.
        let alone = Runs::workers_alive(&mut *platform.app.pool.acquire().await?).await? == 0;
        let workers = if alone { Some(platform.work()?) } else { None };
        Ok(Self {
            platform,
            workers,
            loops,
            stop,
            _instance: instance,
        })
    }

    /// Enqueues as one run, and waits until all that follows has ended.
    pub(crate) async fn perform(
        &self,
        cause: &str,
        subject: &str,
        words: &'static str,
        orders: Vec<Enqueue>,
    ) -> Result<(i64, Progress)> {
        let mut tx = self.platform.app.pool.begin().await?;
        let run = Runs::begin(&mut tx, cause, subject).await?;
        let orders: Vec<Enqueue> = orders
            .into_iter()
            .map(|order| order.run(Some(run)))
            .collect();
        self.platform.engine.enqueue(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok((run, self.watch(run, words).await?))
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

    async fn watch(&self, run: i64, words: &'static str) -> Result<Progress> {
        let style =
            ProgressStyle::with_template("{prefix:>14} [{bar:40}] {pos}/{len} jobs  {msg}")?;
        let bar = ProgressBar::new(0).with_style(style).with_prefix(words);
        let begun = Instant::now();
        loop {
            let mut conn = self.platform.app.pool.acquire().await?;
            let progress = Runs::progress(&mut conn, &[run]).await?;
            drop(conn);
            let left = u64::try_from(progress.waiting + progress.running).unwrap_or(0);
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
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        if let Some(workers) = self.workers {
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
