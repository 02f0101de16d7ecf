//! `bench latency`: how long a job that nothing holds up waits before it starts.

use super::engines::Engines;
use super::{Server, print, quantile};
use anyhow::{Result, ensure};
use queue::{
    Catalogue, Engine, Enqueue, Job, JobContext, JobError, Outcome, Policy, QueueName,
    QueueSettings, WorkerSettings, Workers,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(super) struct Latency {
    /// postgres or redis
    #[arg(long, default_value = "postgres")]
    engine: String,
    /// A kind that is not durable: on Redis, without the outbox
    #[arg(long)]
    fleeting: bool,
    /// Jobs enqueued a second, one call each
    #[arg(long, default_value_t = 100)]
    rate: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

struct Clock {
    zero: Instant,
    waited_ms: Mutex<Vec<f64>>,
}

#[derive(Serialize, Deserialize)]
struct Tick<const DURABLE: bool> {
    sent_us: u64,
}

impl<const DURABLE: bool> Job for Tick<DURABLE> {
    type App = Clock;
    const NAME: &'static str = if DURABLE {
        "bench_tick"
    } else {
        "bench_fleeting"
    };
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        durable: DURABLE,
        ..Policy::DEFAULT
    };

    async fn run(self, clock: &Clock, _: &JobContext) -> Result<Outcome, JobError> {
        let waited = clock
            .zero
            .elapsed()
            .saturating_sub(Duration::from_micros(self.sent_us));
        let mut all = clock
            .waited_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(waited.as_secs_f64() * 1e3);
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

#[derive(Serialize)]
struct Figures {
    p50_ms: f64,
    p99_ms: f64,
}

impl Latency {
    pub(super) async fn run(self, data_dir: &Path) -> Result<()> {
        ensure!(
            (1..=10_000).contains(&self.rate) && self.seconds > 0,
            "--rate is 1 to 10000, --seconds above 0"
        );
        let server = Server::find(data_dir).await?;
        let figures = server
            .in_a_database(async |url| self.measure(&url).await)
            .await?;
        let words = format!(
            "{} jobs/s for {} s: started after {:.1} ms (p50), {:.1} ms (p99)",
            self.rate, self.seconds, figures.p50_ms, figures.p99_ms
        );
        print(&words, &figures, self.json)
    }

    async fn measure(&self, url: &str) -> Result<Figures> {
        let engines = Engines::start(&self.engine, url).await?;
        let (pool, engine) = (&engines.pool, &engines.engine);
        let clock = Arc::new(Clock {
            zero: Instant::now(),
            waited_ms: Mutex::default(),
        });
        let settings = WorkerSettings {
            queues: vec![QueueSettings::slow(QueueName::Index, 8)],
            grace: Duration::from_secs(10),
        };
        let workers = Workers::start(
            engine,
            engines.leases.clone(),
            &Arc::new(
                Catalogue::default()
                    .with::<Tick<true>>()
                    .with::<Tick<false>>(),
            ),
            &clock,
            "bench",
            &settings,
        )?;
        let wanted = self.rate * self.seconds;
        let mut every = tokio::time::interval(Duration::from_secs(1) / self.rate);
        let mut conn = pool.acquire().await?;
        for _ in 0..wanted {
            every.tick().await;
            let sent_us = u64::try_from(clock.zero.elapsed().as_micros())?;
            let order = if self.fleeting {
                Enqueue::of(&Tick::<false> { sent_us })?
            } else {
                Enqueue::of(&Tick::<true> { sent_us })?
            };
            engine.enqueue(&mut conn, &[order]).await?;
        }
        drop(conn);
        let begun = Instant::now();
        while workers.acknowledged() < u64::from(wanted) {
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "the bench does not end"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        workers.drain(engine).await;
        engines.close().await;
        let mut waited = clock
            .waited_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waited.sort_by(f64::total_cmp);
        Ok(Figures {
            p50_ms: quantile(&waited, 0.5),
            p99_ms: quantile(&waited, 0.99),
        })
    }
}
