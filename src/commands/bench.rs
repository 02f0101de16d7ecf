//! `bench`: measure. Each prints one JSON line last; its keys are a contract (see benches/).
//!
//! Nothing is tuned for it: the jobs, the engine, the layers and the settings are those of `work`.

mod console;
mod engines;
mod latency;
mod lookups;
mod queue;
mod search;
mod stock;

use crate::config::{self, Config};
use crate::instance::Instance;
use ::queue::engine_options;
use anyhow::{Context, Result};
use secrecy::ExposeSecret;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// No-op jobs through every layer: enqueue, claim, run, acknowledge, keep
    Queue(queue::Queue),
    /// From the enqueue call to the handler's start, at a steady rate
    Latency(latency::Latency),
    /// Every page of the console, and a bulk retry, over a long history
    Console(console::Console),
    /// A file into the stock, against a bare COPY of the same rows
    Load(stock::Load),
    /// A feed from the stock, against COPY TO of the same columns
    Feed(stock::Feed),
    /// Fingerprints of a folder of photos, on one thread
    Photos(lookups::Photos),
    /// VINs of a file, one a line, on one thread
    Vin(lookups::Vins),
    /// Faceted search in process
    Search(search::Search),
}

impl Bench {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        match self.what {
            What::Queue(bench) => bench.run(data_dir).await?,
            What::Latency(bench) => bench.run(data_dir).await?,
            What::Console(bench) => bench.run(data_dir).await?,
            What::Load(bench) => bench.run(data_dir).await?,
            What::Feed(bench) => bench.run(data_dir).await?,
            What::Photos(bench) => bench.run()?,
            What::Vin(bench) => bench.run(data_dir)?,
            What::Search(bench) => bench.run(data_dir).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A server to measure on: the environment's, the running instance's, or a private one with fsync on.
struct Server {
    url: String,
    _private: Option<embedded::PrivatePostgres>,
}

impl Server {
    async fn find(data_dir: &Path) -> Result<Self> {
        if let Some(config) = Config::from_env()?.or(Instance::running(data_dir)?) {
            return Ok(Self {
                url: config.database_url.expose_secret().to_owned(),
                _private: None,
            });
        }
        let settings = embedded::PostgresSettings {
            root: data_dir.join("bench"),
            binaries: config::postgres_binaries(),
            durable: true,
            max_connections: 60,
        };
        let private =
            tokio::task::spawn_blocking(move || embedded::PrivatePostgres::start(&settings))
                .await??;
        Ok(Self {
            url: private.url("postgres"),
            _private: Some(private),
        })
    }

    /// A database of its own, gone afterwards: a bench must not leave anything in a real one.
    async fn in_a_database<T>(&self, work: impl AsyncFnOnce(String) -> Result<T>) -> Result<T> {
        let admin = stores::connect(&self.url, &options("forecourt bench", |o| o)).await?;
        let name = format!("bench_{}", std::process::id());
        stores::create_database(&admin, &name).await?;
        let measured = work(stores::with_database(&self.url, &name)?).await;
        stores::drop_database(&admin, &name).await?;
        measured
    }
}

fn options(
    name: &'static str,
    tune: fn(stores::ConnectOptions) -> stores::ConnectOptions,
) -> stores::PoolOptions {
    stores::PoolOptions {
        name,
        connections: 12,
        statement: Duration::from_secs(600),
        lock: Duration::from_secs(10),
        tune,
    }
}

fn engine_pool(name: &'static str) -> stores::PoolOptions {
    options(name, engine_options)
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

/// The most memory this process ever held, in megabytes (proc(5), VmHWM).
fn peak_rss_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|number| number.parse::<f64>().ok());
    Ok(kilobytes.context("an odd /proc/self/status")? / 1024.0)
}

/// The value below which this share of sorted values lies.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place among values in memory"
    )]
    let place = ((sorted.len() as f64 - 1.0) * share) as usize;
    sorted.get(place).copied().unwrap_or_default()
}

fn print(words: &str, figures: &impl serde::Serialize, json: bool) -> Result<()> {
    if !json {
        println!("{words}");
    }
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}
