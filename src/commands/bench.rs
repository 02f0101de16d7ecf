//! `bench`: measure. Each prints one JSON line last; its keys are a contract (see benches/).
//!
//! Nothing is tuned for it: the engine, the layers and the settings are those of `work`.

use crate::config::{self, Config};
use crate::instance::Instance;
use anyhow::{Context, Result, ensure};
use queue::{
    Catalogue, Engine, Enqueue, Job, JobContext, JobError, Outcome, Policy, PostgresEngine,
    QueueName, QueueSettings, WorkerSettings, Workers, engine_options,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// No-op jobs through every layer: enqueue, claim, run, acknowledge, keep
    Queue {
        /// postgres
        #[arg(long, default_value = "postgres")]
        engine: String,
        #[arg(long, default_value_t = 50_000)]
        jobs: usize,
        #[arg(long, default_value_t = 24)]
        concurrency: usize,
        /// Only the JSON line
        #[arg(long)]
        json: bool,
    },
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

#[derive(Serialize)]
struct QueueFigures {
    jobs_per_s: f64,
    enqueue_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of this process; the server's is not in it.
    cpu_s: f64,
}

impl Bench {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let What::Queue {
            engine,
            jobs,
            concurrency,
            json,
        } = self.what;
        ensure!(
            engine == "postgres",
            "no engine is called {engine:?}: postgres"
        );
        ensure!(
            jobs > 0 && concurrency > 0,
            "--jobs and --concurrency must be above 0"
        );
        // Private servers unless the environment or a running instance names some; fsync is on.
        let private;
        let url = match Config::from_env()?.or(Instance::running(data_dir)?) {
            Some(config) => config.database_url,
            None => {
                let settings = embedded::PostgresSettings {
                    root: data_dir.join("bench"),
                    binaries: config::postgres_binaries(),
                    durable: true,
                    max_connections: 40,
                };
                private = tokio::task::spawn_blocking(move || {
                    embedded::PrivatePostgres::start(&settings)
                })
                .await??;
                private.url("postgres").into()
            }
        };
        let figures = in_a_database(url.expose_secret(), jobs, concurrency).await?;
        if !json {
            println!(
                "{jobs} jobs at concurrency {concurrency}: {:.0} jobs/s, enqueued at {:.0}/s",
                figures.jobs_per_s, figures.enqueue_per_s
            );
        }
        println!("{}", serde_json::to_string(&figures)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// A database of its own, gone afterwards: a bench must not leave jobs in a real queue.
async fn in_a_database(url: &str, jobs: usize, concurrency: usize) -> Result<QueueFigures> {
    let admin = stores::connect(url, &options("forecourt bench", |o| o)).await?;
    let name = format!("bench_{}", std::process::id());
    stores::create_database(&admin, &name).await?;
    let measured = measure(&stores::with_database(url, &name)?, jobs, concurrency).await;
    stores::drop_database(&admin, &name).await?;
    measured
}

fn options(
    name: &'static str,
    tune: fn(stores::ConnectOptions) -> stores::ConnectOptions,
) -> stores::PoolOptions {
    stores::PoolOptions {
        name,
        connections: 10,
        statement: Duration::from_secs(120),
        tune,
    }
}

async fn measure(url: &str, jobs: usize, concurrency: usize) -> Result<QueueFigures> {
    let pool = stores::connect(url, &options("forecourt engine", engine_options)).await?;
    stores::MIGRATIONS.run(&pool).await?;
    let engine = PostgresEngine::new(pool.clone());
    let order = Enqueue::of(&Nothing {})?;
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
    let catalogue = Arc::new(Catalogue::default().with::<Nothing>());
    // Leases live on a thread and connections of their own, as in `work`.
    let leases = stores::connect(url, &options("forecourt leases", engine_options)).await?;
    let cpu_before = cpu_seconds()?;
    let begun = Instant::now();
    let workers = Workers::start(
        &engine,
        PostgresEngine::new(leases.clone()),
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
    let kept = queue::Runs::finished_total(&mut *pool.acquire().await?).await?;
    ensure!(
        kept == i64::try_from(jobs)?,
        "{jobs} jobs were enqueued, the history has {kept}"
    );
    workers.drain(&engine).await;
    leases.close().await;
    pool.close().await;
    Ok(figures)
}

/// User and system time of this process (proc(5), fields 14 and 15, in ticks of 10 ms).
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit(')').next().context("an odd /proc/self/stat")?;
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / 100.0)
}
