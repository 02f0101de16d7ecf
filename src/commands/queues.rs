//! `queues`: what may be claimed and why not, pause, resume, limit.

use anyhow::{Context, Result};
use queue::{Gate, Lane, QueueName, gate};
use std::path::Path;
use std::process::ExitCode;
use stores::Audit;

#[derive(Debug, clap::Args)]
pub(super) struct Queues {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Every lane (a queue and whom its jobs call) and whether it may be claimed now
    List,
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
            Action::List => {
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
                    println!("{:<10} {:<32} {stands}", lane.queue, lane.partner);
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

fn named(name: &str) -> Result<QueueName> {
    QueueName::parse(name).with_context(|| {
        let known: Vec<&str> = QueueName::ALL.iter().map(|queue| queue.as_str()).collect();
        format!("no queue is called {name:?}: {}", known.join(", "))
    })
}
