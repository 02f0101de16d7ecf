//! `migrate`: bring the database up to date; safe to run again, and while old code serves.

use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn run(data_dir: &Path) -> Result<ExitCode> {
    super::connect(data_dir).await?.migrate().await?;
    println!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
