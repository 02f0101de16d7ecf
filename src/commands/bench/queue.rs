//! `bench queue`: no-op jobs through every layer.

use super::engines::Engines;
use super::{Server, cpu_seconds, print};
use anyhow::{Result, ensure};
use queue::{
    Catalogue, Engine, Enqueue, Job, JobContext, JobError, Outcome, Policy, QueueName,
    QueueSettings, WorkerSettings, Workers,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(super) struct Queue {
    /// postgres or redis
    #[arg(long, default_value = "postgres")]
    engine: String,
    /// A kind that is not durable: on Redis, without the outbox
    #[arg(long)]
    fleeting: bool,
    #[arg(long, default_value_t = 50_000)]
    jobs: usize,
    #[arg(long, default_value_t = 24)]
    concurrency: usize,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Nothing {}

impl Job for Nothing {
    type App = ();
    const NAME: &'static str = "bench_nothing";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        ..Policy::DEFAULT
    };

    async fn run(self, (): &(), _: &JobContext) -> Result<Outcome, JobError> {
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// The same, for Redis alone until its end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Fleeting {}

impl Job for Fleeting {
    type App = ();
    const NAME: &'static str = "bench_fleeting";
    const POLICY: Policy = Policy {
        durable: false,
        ..Nothing::POLICY
    };

    async fn run(self, (): &(), _: &JobContext) -> Result<Outcome, JobError> {
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

#[derive(Serialize)]
struct QueueFigures {
    jobs_per_s: f64,
    enqueue_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of this process; the server's is not in it.
    cpu_s: f64,
}

impl Queue {
    pub(super) async fn run(self, data_dir: &Path) -> Result<()> {
        let (jobs, concurrency) = (self.jobs, self.concurrency);
        ensure!(
            jobs > 0 && concurrency > 0,
            "--jobs and --concurrency must be above 0"
        );
        let server = Server::find(data_dir).await?;
        let figures = server
            .in_a_database(async |url| measure(&self, &url).await)
            .await?;
        let words = format!(
            "{jobs} jobs at concurrency {concurrency}: {:.0} jobs/s, enqueued at {:.0}/s",
            figures.jobs_per_s, figures.enqueue_per_s
        );
        print(&words, &figures, self.json)
    }
}

async fn measure(bench: &Queue, url: &str) -> Result<QueueFigures> {
    let (jobs, concurrency) = (bench.jobs, bench.concurrency);
    let engines = Engines::start(&bench.engine, url).await?;
    let (pool, engine) = (&engines.pool, &engines.engine);
    let order = if bench.fleeting {
        Enqueue::of(&Fleeting {})?
    } else {
        Enqueue::of(&Nothing {})?
    };
    let enqueueing = Instant::now();
    let mut conn = pool.acquire().await?;
    for slice in vec![order; jobs].chunks(1_000) {
        engine.enqueue(&mut conn, slice).await?;
    }
    let enqueue_seconds = enqueueing.elapsed().as_secs_f64();
    drop(conn);

    let settings = WorkerSettings {
        queues: vec![QueueSettings::fast(QueueName::Index, concurrency)],
        grace: Duration::from_secs(10),
    };
    let catalogue = Arc::new(Catalogue::default().with::<Nothing>().with::<Fleeting>());
    let cpu_before = cpu_seconds()?;
    let begun = Instant::now();
    let workers = Workers::start(
        engine,
        engines.leases.clone(),
        &catalogue,
        &Arc::new(()),
        "bench",
        &settings,
    )?;
    // The end is the last acknowledgement the server has committed, not the last handler.
    while workers.acknowledged() < u64::try_from(jobs)? {
        ensure!(
            begun.elapsed() < Duration::from_secs(600),
            "the bench does not end"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let figures = QueueFigures {
        jobs_per_s: jobs as f64 / seconds,
        enqueue_per_s: jobs as f64 / enqueue_seconds,
        p50_ms: workers.latency(0.5).as_secs_f64() * 1e3,
        p99_ms: workers.latency(0.99).as_secs_f64() * 1e3,
        cpu_s: cpu_seconds()? - cpu_before,
    };
    // On Redis the history of fleeting jobs follows a moment later.
    let mut kept = 0;
    while kept < i64::try_from(jobs)? && begun.elapsed() < Duration::from_secs(600) {
        kept = queue::Runs::finished_total(&mut *pool.acquire().await?).await?;
    }
    ensure!(
        kept == i64::try_from(jobs)?,
        "{jobs} jobs were enqueued, the history has {kept}"
    );
    workers.drain(engine).await;
    engines.close().await;
    Ok(figures)
}
