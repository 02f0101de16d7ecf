//! `workers`: the processes that run jobs.

use anyhow::Result;
use queue::Overview;
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Workers {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Last heard of first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

impl Workers {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let Action::List { json } = self.action;
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        for worker in Overview::workers(&mut conn).await? {
            if json {
                println!("{}", serde_json::to_string(&worker)?);
                continue;
            }
            println!(
                "{:<28}  heard of {:>4.0} s ago  holds {:>4}  since {:.0}  {}",
                worker.name,
                worker.silent_seconds,
                worker.holds,
                worker.started_at,
                worker.queues.join(",")
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
