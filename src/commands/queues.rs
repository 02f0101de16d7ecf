//! `queues`: what may be claimed and why not, pause, resume, limit.

use anyhow::{Context, Result};
use queue::{Gate, Lane, Overview, QueueName, QueueStats, gate};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use stores::Audit;

#[derive(Debug, clap::Args)]
pub(super) struct Queues {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Depth, oldest ready job, throughput and latency of each queue
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Again every two seconds
        #[arg(long)]
        watch: bool,
    },
    /// Every lane (a queue and whom its jobs call) and whether it may be claimed now
    Lanes {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Claim nothing of a queue from now on; what runs goes on
    Pause {
        queue: String,
    },
    Resume {
        queue: String,
    },
    /// At most this many jobs of a queue at once, over every process
    Limit {
        queue: String,
        /// Absent: no limit
        max: Option<u16>,
    },
}

impl Queues {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut tx = platform.app.pool.begin().await?;
        let who = super::operator();
        match self.action {
            Action::List { json, watch } => loop {
                show(&Overview::queues(&mut tx).await?, json)?;
                if !watch {
                    break;
                }
                tx.commit().await?;
                tokio::time::sleep(Duration::from_secs(2)).await;
                tx = platform.app.pool.begin().await?;
            },
            Action::Lanes { json } => {
                for lane in platform.app.engine.lanes(None).await? {
                    let stands = match gate(&lane, lane.as_of) {
                        Gate::Open { limits } => limits
                            .iter()
                            .map(|limit| {
                                format!(
                                    "open, {} of {} run: {}",
                                    limit.running, limit.max, limit.why
                                )
                            })
                            .next()
                            .unwrap_or_else(|| "open".to_owned()),
                        Gate::Blocked { reason, until, .. } => {
                            let until =
                                until.map_or(String::new(), |at| format!(", until {at:.0}"));
                            format!("{reason}{until}")
                        }
                    };
                    if json {
                        let line = serde_json::json!({
                            "queue": lane.queue, "partner": lane.partner, "stands": stands
                        });
                        println!("{line}");
                    } else {
                        println!("{:<10} {:<32} {stands}", lane.queue, lane.partner);
                    }
                }
            }
            Action::Pause { queue } => {
                Lane::set_paused(&mut tx, named(&queue)?, Some(&who)).await?;
                Audit::note(&mut tx, &who, "pause", &format!("queue {queue}")).await?;
            }
            Action::Resume { queue } => {
                Lane::set_paused(&mut tx, named(&queue)?, None).await?;
                Audit::note(&mut tx, &who, "resume", &format!("queue {queue}")).await?;
            }
            Action::Limit { queue, max } => {
                Lane::limit_queue(&mut tx, named(&queue)?, max).await?;
                let words = max.map_or("no limit".to_owned(), |max| max.to_string());
                Audit::note(
                    &mut tx,
                    &who,
                    &format!("limit to {words}"),
                    &format!("queue {queue}"),
                )
                .await?;
            }
        }
        tx.commit().await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn show(queues: &[QueueStats], json: bool) -> Result<()> {
    if json {
        for queue in queues {
            println!("{}", serde_json::to_string(queue)?);
        }
        return Ok(());
    }
    println!(
        "{:<10} {:>8} {:>8} {:>8} {:>9} {:>8} {:>8} {:>9} {:>9} {:>8} {:>8}",
        "queue",
        "ready",
        "later",
        "running",
        "oldest s",
        "done 5m",
        "dead 5m",
        "p50 s",
        "p95 s",
        "workers",
        "at once"
    );
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |s| format!("{s:.3}"));
    for queue in queues {
        println!(
            "{:<10} {:>8} {:>8} {:>8} {:>9.0} {:>8} {:>8} {:>9} {:>9} {:>8} {:>8}{}",
            queue.queue,
            queue.ready,
            queue.scheduled,
            queue.running,
            queue.oldest_ready_seconds,
            queue.done_5m,
            queue.dead_5m,
            seconds(queue.p50_seconds),
            seconds(queue.p95_seconds),
            queue.workers,
            queue
                .max_running
                .map_or("-".to_owned(), |max| max.to_string()),
            queue
                .paused_by
                .as_ref()
                .map_or(String::new(), |who| format!("  paused by {who}"))
        );
    }
    println!();
    Ok(())
}

fn named(name: &str) -> Result<QueueName> {
    QueueName::parse(name).with_context(|| {
        let known: Vec<&str> = QueueName::ALL.iter().map(|queue| queue.as_str()).collect();
        format!("no queue is called {name:?}: {}", known.join(", "))
    })
}
