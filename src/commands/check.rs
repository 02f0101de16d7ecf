//! `check`: everything that is wrong with the set-up, at once.

use crate::instance::Instance;
use crate::platform::Platform;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use stores::{Alerts, Schedules};

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Print the variables that configure Forecourt, and check nothing
    #[arg(long)]
    variables: bool,
}

impl Check {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        if self.variables {
            for (name, default, meaning) in crate::config::VARIABLES {
                println!("{name:<26}  {meaning} [{default}]");
            }
            return Ok(ExitCode::SUCCESS);
        }
        check(data_dir).await
    }
}

async fn check(data_dir: &Path) -> Result<ExitCode> {
    let config = Instance::find(data_dir)?;
    println!("configuration  ok");
    let mut problems = jobs::catalogue().problems();
    for (name, _) in ingest::BUILT_IN {
        problems.extend(
            ingest::Mapping::built_in(name)
                .err()
                .map(|error| error.to_string()),
        );
    }
    for (_, text) in feeds::BUILT_IN {
        problems.extend(
            feeds::Definition::parse(text)
                .err()
                .map(|error| error.to_string()),
        );
    }
    match Platform::connect(config).await {
        Ok(platform) => problems.extend(live(&platform).await),
        Err(error) => problems.push(format!("{error:#}")),
    }
    for problem in &problems {
        println!("problem        {problem}");
    }
    println!("{} problems", problems.len());
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What only the servers can tell.
async fn live(platform: &Platform) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = platform.app.objects.check().await {
        problems.push(error.to_string());
    }
    let rows = async {
        let mut conn = platform.app.pool.acquire().await?;
        Ok::<_, stores::StoreError>((
            Schedules::list(&mut conn).await?,
            Alerts::open(&mut conn).await?,
        ))
    };
    match rows.await {
        Ok((schedules, alerts)) => {
            problems.extend(
                schedules
                    .iter()
                    .filter_map(|schedule| jobs::loops::check_schedule(schedule).err())
                    .map(|error| error.to_string()),
            );
            for alert in alerts {
                problems.push(format!(
                    "{} {}: {}",
                    alert.what, alert.subject, alert.message
                ));
            }
        }
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            problems.push(format!(
                "{error}: {cause} (is it migrated? run `forecourt migrate`)"
            ));
        }
    }
    problems
}
