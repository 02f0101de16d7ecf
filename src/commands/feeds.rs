//! `feeds`: list them, build one, see its runs and why units are left out.

use anyhow::{Context, Result};
use queue::{Engine, Enqueue};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Feeds {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    List,
    /// Build a feed now
    Build {
        feed: String,
    },
    /// Newest first
    Runs {
        feed: String,
    },
    /// Which listings a run left out, and why
    Exclusions {
        run: i64,
    },
}

impl Feeds {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        match self.action {
            Action::List => {
                for feed in stores::Feeds::list(&mut conn).await? {
                    println!("{:<24}  {}", feed.key, feed.name);
                }
            }
            Action::Build { feed } => {
                let known = stores::Feeds::find(&mut conn, &feed).await?;
                known.with_context(|| format!("there is no feed {feed:?}"))?;
                let order = Enqueue::of(&jobs::BuildFeed { feed })?;
                println!(
                    "job {}",
                    platform.engine.enqueue(&mut conn, &[order]).await?[0].id
                );
            }
            Action::Runs { feed } => {
                for run in stores::Feeds::runs(&mut conn, &feed, 50).await? {
                    println!(
                        "{:>6}  {:<10}  {} rows, {} left out, {} bytes  {}  {}",
                        run.id,
                        run.state,
                        run.rows,
                        run.excluded,
                        run.bytes,
                        run.digest.unwrap_or_default(),
                        run.held_reason.unwrap_or_default()
                    );
                }
            }
            Action::Exclusions { run } => {
                for left_out in stores::Feeds::exclusions(&mut conn, run, 0, 10_000).await? {
                    println!(
                        "{:>8}  {}",
                        left_out.listing_id,
                        left_out.reasons.join(", ")
                    );
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
