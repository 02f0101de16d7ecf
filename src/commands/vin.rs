//! `vin`: what VINs say, offline.

use anyhow::Result;
use domain::{Details, Vin};
use std::path::Path;
use std::process::ExitCode;
use vin::Decoder;

#[derive(Debug, clap::Args)]
pub(super) struct DecodeVin {
    #[arg(required = true)]
    vins: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl DecodeVin {
    pub(super) fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let cache = data_dir.join("cache");
        let decoder = Decoder::open(&cache)?;
        let mut bad = false;
        for text in &self.vins {
            let vin = match Vin::parse(text) {
                Ok(vin) => vin,
                Err(error) => {
                    bad = true;
                    println!("{error}");
                    continue;
                }
            };
            let decoded = decoder.decode(&vin);
            if self.json {
                println!("{}", serde_json::to_string(&decoded)?);
                continue;
            }
            println!("{vin}");
            for &field in Details::FIELDS {
                if let Some(value) = decoded.facts.get(field) {
                    println!("  {:<16} {value}", field.name());
                }
            }
            println!(
                "  {:<16} {}",
                "check digit",
                if decoded.check_digit_ok {
                    "ok"
                } else {
                    "wrong"
                }
            );
            if let Some(suggested) = decoded.suggested {
                println!("  {:<16} {suggested}", "perhaps");
            }
        }
        Ok(if bad {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}
