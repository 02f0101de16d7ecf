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
                    if self.json {
                        let perhaps = vin::suggestions(&decoder, text);
                        let (vin, error) = (text, error.to_string());
                        let told =
                            serde_json::json!({ "vin": vin, "error": error, "perhaps": perhaps });
                        println!("{told}");
                        continue;
                    }
                    println!("{error}");
                    for meant in vin::suggestions(&decoder, text) {
                        println!("  {:<16} {meant}", "perhaps");
                    }
                    continue;
                }
            };
            let decoded = decoder.decode(&vin);
            let mut meant = vin::suggestions(&decoder, text);
            meant.extend(decoded.suggested.clone());
            meant.dedup();
            if self.json {
                let mut told = serde_json::to_value(&decoded)?;
                told["perhaps"] = serde_json::json!(meant);
                println!("{told}");
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
            for code in &decoded.errors {
                println!("  {:<16} {code}: {}", "says", vin::errors::words(*code));
            }
            for meant in meant {
                println!("  {:<16} {meant}", "perhaps");
            }
        }
        Ok(if bad {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}
