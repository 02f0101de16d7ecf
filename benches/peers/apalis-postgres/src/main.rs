//! No-op jobs through apalis-postgres 1.0: `DATABASE_URL=… peer-apalis-postgres JOBS CONCURRENCY`.
//!
//! Its best documented settings for short jobs: batches of 500, no task locking. Ends when the last
//! handler has run (not the last acknowledgement, which favours it). Prints one JSON line.

use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use futures::stream;
use sqlx::postgres::PgPoolOptions;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

static RUN: AtomicUsize = AtomicUsize::new(0);

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let jobs: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(20_000);
    let concurrency: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(24);
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL");
    let pool = PgPoolOptions::new().max_connections(10).connect(&url).await.expect("connect");
    PostgresStorage::setup(&pool).await.expect("set up");
    let config = Config::default().queue("peer").batch_size(500).lock_tasks(false);
    let mut backend = PostgresStorage::new(&pool).with_config(config);

    let enqueueing = Instant::now();
    let mut left = jobs;
    while left > 0 {
        let slice = left.min(1_000);
        let mut items = stream::iter((0..slice).map(|n| TaskBuilder::new(n).build()));
        backend.push_all(&mut items).await.expect("push");
        left -= slice;
    }
    let enqueue_seconds = enqueueing.elapsed().as_secs_f64();

    async fn nothing(_: usize) -> Result<(), BoxDynError> {
        RUN.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    let begun = Instant::now();
    let worker = WorkerBuilder::new("peer").backend(backend).concurrency(concurrency).build(nothing);
    let running = tokio::spawn(worker.run());
    while RUN.load(Ordering::Relaxed) < jobs {
        assert!(!running.is_finished(), "the worker ended early");
        assert!(begun.elapsed() < Duration::from_secs(300), "the peer does not end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{{\"jobs_per_s\":{:.0},\"enqueue_per_s\":{:.0}}}",
        jobs as f64 / seconds,
        jobs as f64 / enqueue_seconds
    );
}
