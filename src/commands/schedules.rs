//! `schedules`: the nightly clock, its ledger, and what an operator may do with it.

use anyhow::{Context, Result, bail};
use domain::file_name;
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;
use stores::{Audit, Overlap, PgConnection, Schedule};

#[derive(Debug, clap::Args)]
pub(super) struct Schedules {
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
    /// What became of each tick, newest first
    Ticks {
        key: String,
        #[arg(long, default_value_t = 30)]
        limit: i64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Its ticks are skipped until it is resumed
    Pause {
        key: String,
    },
    Resume {
        key: String,
    },
    /// A clock of your own, for any job
    Make {
        key: String,
        /// As `archive_listings`
        #[arg(long)]
        kind: String,
        /// The job's arguments, as JSON
        #[arg(long, default_value = "{}")]
        args: String,
        /// Five fields, as in crontab(5)
        #[arg(long)]
        cron: String,
        /// As `America/Denver`
        #[arg(long, default_value = "UTC")]
        time_zone: String,
    },
    /// Change when and how it runs; what is not named stays
    Edit {
        key: String,
        /// Five fields, as in crontab(5)
        #[arg(long)]
        cron: Option<String>,
        /// As `America/Denver`
        #[arg(long)]
        time_zone: Option<String>,
        /// What to do when the run before has not ended: skip, buffer_one or allow
        #[arg(long)]
        overlap: Option<String>,
        /// A tick that is later than this is missed
        #[arg(long)]
        catch_up_seconds: Option<i64>,
        /// The job's arguments, as JSON
        #[arg(long)]
        args: Option<String>,
    },
    /// Now, outside its times
    Run {
        key: String,
    },
    /// Run the ticks of a time that has passed and that did not run
    Backfill {
        key: String,
        /// As 2026-11-20T00:00:00Z
        #[arg(long)]
        from: Timestamp,
        #[arg(long)]
        to: Timestamp,
    },
}

impl Schedules {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let app = &platform.app;
        let mut conn = app.pool.acquire().await?;
        let who = super::operator();
        match self.action {
            Action::List { json } => {
                for schedule in stores::Schedules::list(&mut conn).await? {
                    if json {
                        println!("{}", serde_json::to_string(&schedule)?);
                    } else {
                        println!("{}", line(&schedule));
                    }
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Ticks { key, limit, json } => {
                find(&mut conn, &key).await?;
                for tick in
                    stores::Schedules::ticks(&mut conn, &key, limit.clamp(1, 10_000)).await?
                {
                    if json {
                        println!("{}", serde_json::to_string(&tick)?);
                        continue;
                    }
                    let job = tick
                        .job_id
                        .map_or(String::new(), |job| format!("  job {job}"));
                    println!("{:.0}  {}{job}", tick.tick_at, tick.verdict);
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Pause { key } => {
                find(&mut conn, &key).await?;
                stores::Schedules::pause(&mut conn, &key, Some(&who)).await?;
                Audit::note(&mut conn, &who, "pause", &format!("schedule {key}")).await?;
            }
            Action::Resume { key } => {
                find(&mut conn, &key).await?;
                stores::Schedules::pause(&mut conn, &key, None).await?;
                Audit::note(&mut conn, &who, "resume", &format!("schedule {key}")).await?;
            }
            Action::Make {
                key,
                kind,
                args,
                cron,
                time_zone,
            } => {
                anyhow::ensure!(
                    stores::Schedules::find(&mut conn, &key).await?.is_none(),
                    "there is a schedule {key:?} already; see `forecourt schedules edit`"
                );
                anyhow::ensure!(
                    file_name::is_safe(&key),
                    "{key:?} is no name: letters, digits and dashes"
                );
                let args = serde_json::from_str(&args).context("--args")?;
                let mut tx = app.pool.begin().await?;
                stores::Schedules::ensure(&mut tx, &key, &cron, &time_zone, &kind, &args).await?;
                let made = find(&mut tx, &key).await?;
                jobs::loops::check_schedule(&made)?;
                Audit::note(&mut tx, &who, "make", &format!("schedule {key}")).await?;
                tx.commit().await?;
                println!("{}", line(&made));
            }
            Action::Edit {
                key,
                cron,
                time_zone,
                overlap,
                catch_up_seconds,
                args,
            } => {
                let mut schedule = find(&mut conn, &key).await?;
                schedule.cron = cron.unwrap_or(schedule.cron);
                schedule.time_zone = time_zone.unwrap_or(schedule.time_zone);
                if let Some(word) = overlap {
                    schedule.overlap = Overlap::parse(&word).with_context(|| {
                        format!("no overlap is called {word:?}: skip, buffer_one, allow")
                    })?;
                }
                schedule.catch_up_seconds =
                    catch_up_seconds.unwrap_or(schedule.catch_up_seconds).max(0);
                if let Some(text) = args {
                    schedule.args = serde_json::from_str(&text).context("--args")?;
                }
                jobs::loops::check_schedule(&schedule)?;
                stores::Schedules::edit(&mut conn, &schedule).await?;
                Audit::note(&mut conn, &who, "edit", &format!("schedule {key}")).await?;
                println!("{}", line(&schedule));
            }
            Action::Run { key } => {
                let schedule = find(&mut conn, &key).await?;
                let fired = jobs::loops::fire(app, &schedule, &who).await?;
                let (job, run) = fired.context("it was run in this very moment already")?;
                Audit::note(&mut conn, &who, "run now", &format!("schedule {key}")).await?;
                println!("job {job}, run {run}");
            }
            Action::Backfill { key, from, to } => {
                if from > to {
                    bail!("--from is after --to");
                }
                let schedule = find(&mut conn, &key).await?;
                let jobs = jobs::loops::backfill(app, &schedule, from, to, &who).await?;
                Audit::note(
                    &mut conn,
                    &who,
                    "backfill",
                    &format!("schedule {key}, {from} to {to}"),
                )
                .await?;
                println!("{} ticks backfilled", jobs.len());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn find(conn: &mut PgConnection, key: &str) -> Result<Schedule> {
    stores::Schedules::find(conn, key)
        .await?
        .with_context(|| format!("no schedule is called {key:?}; see `forecourt schedules list`"))
}

fn line(schedule: &Schedule) -> String {
    let next = match (
        &schedule.paused_by,
        jobs::loops::next_tick(schedule, schedule.ticked_to),
    ) {
        (Some(who), _) => format!("paused by {who}"),
        (None, Ok(at)) => format!("next {at:.0}"),
        (None, Err(error)) => error.to_string(),
    };
    format!(
        "{:<28} {:<14} {:<18} {:<16} {:<10} {next}",
        schedule.key,
        schedule.cron,
        schedule.time_zone,
        schedule.kind,
        schedule.overlap.as_str()
    )
}
