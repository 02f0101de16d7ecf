//! `jobs`: list them, look at one, cancel one.

use anyhow::{Context, Result, bail};
use queue::{Engine, JobFilter, JobState};
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
        /// scheduled, ready, running, done, dead or cancelled
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        kind: Option<String>,
        #[arg(long)]
        queue: Option<String>,
        #[arg(long)]
        run: Option<i64>,
        #[arg(long, default_value_t = 50)]
        limit: i64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Everything about one job: its attempts, effects and what it logged
    Show { id: i64 },
    /// End a job that waits; have its worker drop it when it runs
    Cancel { id: i64 },
}

impl Jobs {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        match self.action {
            Action::List {
                state,
                kind,
                queue,
                run,
                limit,
                json,
            } => {
                let state = state
                    .map(|word| {
                        JobState::parse(&word)
                            .with_context(|| format!("no state is called {word:?}"))
                    })
                    .transpose()?;
                let filter = JobFilter {
                    state,
                    kind,
                    queue,
                    run_id: run,
                    ..JobFilter::default()
                };
                for job in
                    queue::Jobs::list(&mut conn, &filter, None, limit.clamp(1, 1_000)).await?
                {
                    if json {
                        println!("{}", serde_json::to_string(&job)?);
                    } else {
                        let said = job
                            .error
                            .as_ref()
                            .and_then(|e| e["message"].as_str())
                            .or(job.why.as_deref());
                        println!(
                            "{:>8}  {:<9}  {:<14}  {:<8}  {}/{}  {}",
                            job.id,
                            job.state.as_str(),
                            job.kind,
                            job.queue,
                            job.attempt,
                            job.max_attempts,
                            said.unwrap_or_default()
                        );
                    }
                }
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
            Action::Cancel { id } => {
                let who = super::operator();
                let cancelled = platform.engine.cancel(id, &who).await?;
                stores::Audit::note(&mut conn, &who, "cancel", &format!("job {id}")).await?;
                match cancelled {
                    queue::Cancelled::AtOnce => println!("job {id} is cancelled"),
                    queue::Cancelled::Asked => {
                        println!("job {id} runs: its worker will drop it within a few seconds")
                    }
                    queue::Cancelled::TooLate => bail!("there is no job {id} that has not ended"),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
