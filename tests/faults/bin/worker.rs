//! A worker process for the fault matrix: the real workers and engines, and jobs whose doings are counted.
#![expect(clippy::print_stdout, reason = "it says when it is ready")]

use anyhow::Result;
use clap::Parser;
use faults::jobs::{Stage, catalogue};
use faults::{Engine as Choice, engine_on};
use queue::{
    BreakerPolicy, Engine, Partners, QueueName, QueueSettings, Throttle, WorkerSettings, Workers,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Parser)]
struct Args {
    #[arg(long)]
    database: String,
    #[arg(long)]
    redis: String,
    #[arg(long)]
    engine: String,
    /// Where starts and calls are noted
    #[arg(long)]
    notes: PathBuf,
    #[arg(long)]
    name: Option<String>,
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    #[arg(long)]
    fast: bool,
    #[arg(long, default_value_t = 10)]
    grace: u64,
    #[arg(long, default_value_t = 6)]
    connections: u32,
    /// Knows one kind more
    #[arg(long)]
    newer: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    let choice = if args.engine == "redis" {
        Choice::Redis
    } else {
        Choice::Postgres
    };
    let pool = faults::connect(&args.database, args.connections, true).await?;
    let engine = engine_on(choice, &pool, &args.redis)?;
    let leases = engine_on(
        choice,
        &faults::connect_lazy(&args.database, 2)?,
        &args.redis,
    )?;
    let work = faults::connect(&args.database, 8, false).await?;
    let policy = BreakerPolicy {
        minimum: 4,
        first_break: Duration::from_secs(2),
        longest_break: Duration::from_secs(4),
        ..BreakerPolicy::default()
    };
    let stage = Arc::new(Stage {
        partners: Partners::new(work.clone(), policy, Throttle::Postgres(work.clone())),
        pool: work,
        engine_pool: pool,
        notes: args.notes,
    });
    let queue = if args.fast {
        QueueSettings::fast(QueueName::Index, args.concurrency)
    } else {
        QueueSettings::slow(QueueName::Index, args.concurrency)
    };
    let settings = WorkerSettings {
        queues: vec![queue],
        grace: Duration::from_secs(args.grace),
    };
    let reaper = engine.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = reaper.rescue().await;
        }
    });
    let name = args.name.unwrap_or_else(queue::boot_name);
    let workers = Workers::start(
        &engine,
        leases,
        &Arc::new(catalogue(args.newer)),
        &stage,
        &name,
        &settings,
    )?;
    println!("ready");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    terminate.recv().await;
    let report = tokio::select! {
        report = workers.drain(&engine) => report,
        // A second signal ends the process at once; its leases run out.
        _ = terminate.recv() => std::process::exit(1),
    };
    println!("{}", serde_json::to_string(&report)?);
    // A job that never waits would hold the runtime for ever.
    std::process::exit(0);
}
