//! `runs`: what one cause started, and how far it is.

use anyhow::{Context, Result};
use queue::{Overview, RunRecord};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Runs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Newest first
    List {
        #[arg(long, default_value_t = 20)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    Show {
        id: i64,
        #[arg(long)]
        json: bool,
        /// Again every second, until it has ended
        #[arg(long)]
        watch: bool,
    },
}

impl Runs {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        match self.action {
            Action::List { limit, json } => {
                for run in Overview::runs(&mut conn, None, limit.clamp(1, 1_000)).await? {
                    print(&run, json)?;
                }
            }
            Action::Show { id, json, watch } => loop {
                let run = Overview::run(&mut conn, id)
                    .await?
                    .with_context(|| format!("there is no run {id}"))?;
                print(&run, json)?;
                if !watch || run.waiting + run.running == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(run: &RunRecord, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(run)?);
        return Ok(());
    }
    let left = run.waiting + run.running;
    let stands = match run.finished_at {
        _ if left > 0 => format!("{left} to go"),
        Some(at) => format!("ended {at:.0}"),
        None => "nothing in it".to_owned(),
    };
    println!(
        "{:>6}  {:.0}  {:<24}  {:<22}  {} done, {} dead, {stands}",
        run.id, run.started_at, run.cause, run.subject, run.done, run.dead
    );
    Ok(())
}
