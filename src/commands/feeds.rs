//! `feeds`: list them, build one, hold one against its marketplace's rules, and say why a unit is
//! or is not in it.

mod explain;

use crate::platform::Platform;
use crate::station::Station;
use anyhow::{Context, Result};
use feeds::{Spec, Validation};
use queue::Enqueue;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stores::FeedRun;

#[derive(Debug, clap::Args)]
pub(super) struct Feeds {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Build a feed now and wait for it
    Build {
        feed: String,
        /// One JSON line
        #[arg(long)]
        json: bool,
    },
    /// Hold the published feed, or a file, against its marketplace's rules
    Validate {
        feed: String,
        #[arg(long)]
        file: Option<PathBuf>,
        /// One JSON line
        #[arg(long)]
        json: bool,
    },
    /// Why is a unit in a feed, or not?
    Explain(explain::Explain),
    /// Newest first
    Runs { feed: String },
    /// Which listings a run left out, and why
    Exclusions { run: i64 },
}

impl Feeds {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        match self.action {
            Action::Build { feed, json } => return build(data_dir, feed, json).await,
            Action::Validate { feed, file, json } => {
                return validate(data_dir, &feed, file.as_deref(), json).await;
            }
            Action::Explain(explain) => return explain.run(data_dir).await,
            _ => {}
        }
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        match self.action {
            Action::List { json } => {
                for feed in stores::Feeds::list(&mut conn).await? {
                    if json {
                        let line = serde_json::json!({
                            "key": feed.key, "name": feed.name, "latest_run": feed.latest_run_id
                        });
                        println!("{line}");
                    } else {
                        println!("{:<24}  {}", feed.key, feed.name);
                    }
                }
            }
            Action::Runs { feed } => {
                for run in stores::Feeds::runs(&mut conn, &feed, 50).await? {
                    println!("{:>6}  {}", run.id, words(&run));
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
            Action::Build { .. } | Action::Validate { .. } | Action::Explain(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn words(run: &FeedRun) -> String {
    format!(
        "{:<10}  {} considered = {} rows + {} left out, {} bytes  {:.12}  {}",
        run.state,
        run.rows + run.excluded,
        run.rows,
        run.excluded,
        run.bytes,
        run.digest.as_deref().unwrap_or_default(),
        run.held_reason.as_deref().unwrap_or_default()
    )
}

async fn build(data_dir: &Path, feed: String, json: bool) -> Result<ExitCode> {
    let station = Station::open(data_dir).await?;
    let built = built(&station, feed).await;
    station.close().await;
    let (run, dead) = built?;
    if json {
        println!("{}", serde_json::to_string(&run)?);
    } else {
        println!("{}  {}", run.feed, words(&run));
        if let Some(reasons) = run.diagnostics.as_object() {
            for (reason, count) in reasons {
                println!("{:>8}  {reason}", count.to_string());
            }
        }
    }
    Ok(if dead == 0 && run.state != "held" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn built(station: &Station, feed: String) -> Result<(FeedRun, i64)> {
    let pool = &station.platform.app.pool;
    let known = stores::Feeds::find(&mut *pool.acquire().await?, &feed).await?;
    known.with_context(|| format!("there is no feed {feed:?}"))?;
    let order = Enqueue::of(&jobs::BuildFeed { feed: feed.clone() })?;
    let done = station
        .perform("forecourt feeds build", &feed, "building", vec![order])
        .await?;
    let runs = stores::Feeds::runs(&mut *pool.acquire().await?, &feed, 50).await?;
    let run = runs.into_iter().find(|run| done.jobs.contains(&run.job_id));
    let run = run.context("the build left no run: see `forecourt jobs list`")?;
    Ok((run, done.progress.dead))
}

async fn validate(
    data_dir: &Path,
    feed: &str,
    file: Option<&Path>,
    json: bool,
) -> Result<ExitCode> {
    let spec = Spec::built_in(feed)
        .with_context(|| format!("nobody wrote down the rules of {feed:?}'s marketplace"))??;
    let bytes = match file {
        Some(file) => std::fs::read(file).with_context(|| format!("read {}", file.display()))?,
        None => {
            let station = Station::open(data_dir).await?;
            let published = published(&station.platform, feed).await;
            station.close().await;
            published?
        }
    };
    let found = spec.validate(&bytes);
    if json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        tell(feed, &found);
    }
    Ok(if found.problems.is_empty() && found.rows > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn published(platform: &Platform, feed: &str) -> Result<Vec<u8>> {
    let mut conn = platform.app.pool.acquire().await?;
    let row = stores::Feeds::find(&mut conn, feed).await?;
    let row = row.with_context(|| format!("there is no feed {feed:?}"))?;
    let run = row
        .latest_run_id
        .with_context(|| format!("{feed} was never published: build it first"))?;
    let run = stores::Feeds::run(&mut conn, run).await?;
    let key = run.object_key.context("the published run has no object")?;
    Ok(platform.app.objects.get(&key).await?)
}

fn tell(feed: &str, found: &Validation) {
    println!(
        "{feed}: {} rows, {} problems",
        found.rows,
        found.problems.len()
    );
    for problem in &found.problems {
        println!(
            "{:>8}  {} in {:?}, first in row {}: {:?}",
            problem.count, problem.rule, problem.column, problem.row, problem.value
        );
    }
}
