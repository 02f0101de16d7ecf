//! `sample`: the demo's dealer files, for trying things by hand.

use crate::sample;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Sample {
    /// Folder to write to
    #[arg(long, default_value = ".")]
    out: PathBuf,
    /// Units over all dealers
    #[arg(long, default_value_t = 400)]
    listings: usize,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Sample {
    pub(super) fn run(self) -> Result<ExitCode> {
        fs::create_dir_all(&self.out)?;
        for dealer in sample::dealers(self.seed, self.listings) {
            for (name, bytes) in dealer.files {
                let path = self.out.join(name);
                fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
                println!(
                    "{}  ({}, mapping {})",
                    path.display(),
                    dealer.dealer.name,
                    dealer.mapping
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
