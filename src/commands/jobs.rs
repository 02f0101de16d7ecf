//! `jobs`: list them, look at one, ask why it does not run, act on one or on a filter.

mod selection;

use anyhow::{Context, Result};
use queue::{BulkAction, Engine, Explanation, JobRecord, Priority};
use selection::{Selection, Which};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Jobs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Newest first
    List {
        #[command(flatten)]
        selection: Selection,
        #[arg(long, default_value_t = 50)]
        limit: i64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Everything about one job: its attempts, effects and what it logged
    Show { id: i64 },
    /// Why isn't it running, and when will it?
    Explain {
        id: i64,
        #[arg(long)]
        json: bool,
    },
    /// Run dead and cancelled jobs again
    Retry {
        #[command(flatten)]
        which: Which,
        /// So many a second
        #[arg(long)]
        per_second: Option<f64>,
    },
    /// End jobs that wait; have their workers drop those that run
    Cancel {
        #[command(flatten)]
        which: Which,
    },
    /// Forget jobs that have ended
    Delete {
        #[command(flatten)]
        which: Which,
    },
    /// Let waiting jobs come sooner or later than others
    Reprioritise {
        #[command(flatten)]
        which: Which,
        /// high, normal or low
        #[arg(long)]
        to: String,
    },
    /// Give waiting jobs another time
    Move {
        #[command(flatten)]
        which: Which,
        /// `now`, or a moment as 2026-11-20T02:00:00Z
        #[arg(long)]
        to: String,
        /// So many a second
        #[arg(long)]
        per_second: Option<f64>,
    },
    /// How far an action on a filter is, and what came of each job
    Bulk {
        id: i64,
        #[arg(long)]
        json: bool,
    },
}

impl Jobs {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let app = &platform.app;
        let mut conn = app.pool.acquire().await?;
        match self.action {
            Action::List {
                selection,
                limit,
                json,
            } => {
                let filter = selection.filter(Vec::new())?;
                let limit = limit.clamp(1, 1_000);
                for job in queue::Jobs::list(&mut conn, &filter, None, limit).await? {
                    print_line(&job, json)?;
                }
            }
            Action::Explain { id, json } => {
                let why = queue::explain(&platform.app.engine, id)
                    .await?
                    .with_context(|| format!("there is no job {id}"))?;
                print_why(&why, json)?;
            }
            Action::Show { id } => {
                let job = platform
                    .engine
                    .find(id)
                    .await?
                    .with_context(|| format!("there is no job {id}"))?;
                println!("{}", serde_json::to_string_pretty(&job)?);
                for (attempt, outcome, error) in queue::Jobs::attempts(&mut conn, id).await? {
                    println!("attempt {attempt}: {outcome} {}", error.unwrap_or_default());
                }
                for (step, digest) in queue::Effects::of(&mut conn, id).await? {
                    println!("effect  {step}: {digest}");
                }
                for logged in queue::Jobs::logs(&mut conn, id).await? {
                    println!("attempt {} logged:", logged.attempt);
                    for line in logged.lines {
                        println!("  {line}");
                    }
                }
            }
            Action::Retry { which, per_second } => {
                which.act(app, BulkAction::Retry { per_second }).await?;
            }
            Action::Cancel { which } => which.act(app, BulkAction::Cancel).await?,
            Action::Delete { which } => which.act(app, BulkAction::Delete).await?,
            Action::Reprioritise { which, to } => {
                let priority = Priority::parse(&to)
                    .with_context(|| format!("no priority is called {to:?}: high, normal, low"))?;
                which
                    .act(app, BulkAction::Reprioritise { priority })
                    .await?;
            }
            Action::Move {
                which,
                to,
                per_second,
            } => {
                let in_seconds = selection::seconds_until(&mut conn, &to).await?;
                let action = BulkAction::Move {
                    in_seconds,
                    per_second,
                };
                which.act(app, action).await?;
            }
            Action::Bulk { id, json } => selection::print_bulk(&mut conn, id, json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print_line(job: &JobRecord, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(job)?);
        return Ok(());
    }
    let error = job.error.as_ref().and_then(|e| e["message"].as_str());
    println!(
        "{:>8}  {:<9}  {:<16}  {:<8}  {}/{}  {}",
        job.id,
        job.state.as_str(),
        job.kind,
        job.queue,
        job.attempt,
        job.max_attempts,
        error.or(job.why.as_deref()).unwrap_or_default()
    );
    Ok(())
}

fn print_why(why: &Explanation, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(why)?);
        return Ok(());
    }
    println!("job {} is {}: {}", why.job, why.state.as_str(), why.reason);
    for then in &why.then {
        println!("then       {then}");
    }
    match why.eta {
        Some(at) => println!("expected   {at:.0}"),
        None if why.mend.is_some() => println!("expected   not before somebody does something"),
        None => {}
    }
    if let Some(command) = &why.mend {
        println!("mend       {command}");
    }
    Ok(())
}
