//! `bench photos` and `bench vin`: what one core does.

use super::{cpu_seconds, print};
use anyhow::{Context, Result, ensure};
use domain::Vin;
use photos::{Limits, fingerprint};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Photos {
    folder: PathBuf,
    /// Times over the whole folder
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct PhotoFigures {
    photos: usize,
    /// Decoding and both hashes.
    mean_cpu_ms: f64,
    refused: usize,
}

impl Photos {
    pub(super) fn run(self) -> Result<()> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.folder)
            .with_context(|| format!("read {}", self.folder.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        let photos = files
            .iter()
            .map(|file| std::fs::read(file).with_context(|| format!("read {}", file.display())))
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            !photos.is_empty() && self.rounds > 0,
            "there is nothing to measure"
        );
        let mut refused = 0;
        let begun = cpu_seconds()?;
        for _ in 0..self.rounds {
            refused = photos
                .iter()
                .filter(|bytes| fingerprint(bytes, Limits::DEFAULT).is_err())
                .count();
        }
        let cpu = cpu_seconds()? - begun;
        let figures = PhotoFigures {
            photos: photos.len(),
            mean_cpu_ms: cpu * 1e3 / (photos.len() as f64 * f64::from(self.rounds)),
            refused,
        };
        let words = format!(
            "{} photos: {:.2} ms of CPU each",
            figures.photos, figures.mean_cpu_ms
        );
        print(&words, &figures, self.json)
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Vins {
    /// One VIN a line
    file: PathBuf,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct VinFigures {
    vins: usize,
    /// The first time: what the data are read by is made on the way.
    vins_per_s: f64,
    /// The second.
    again_vins_per_s: f64,
    unreadable: usize,
}

impl Vins {
    pub(super) fn run(self, data_dir: &Path) -> Result<()> {
        let text = std::fs::read_to_string(&self.file)
            .with_context(|| format!("read {}", self.file.display()))?;
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let vins: Vec<Vin> = lines
            .iter()
            .filter_map(|line| Vin::parse(line).ok())
            .collect();
        ensure!(!vins.is_empty(), "{} has no VINs", self.file.display());
        let decoder = vin::Decoder::open(&data_dir.join("cache"))?;
        // The first decode loads the data.
        decoder.decode(&vins[0]);
        let pass = || {
            let begun = std::time::Instant::now();
            let decoded = decoder.decode_all(&vins).len();
            decoded as f64 / begun.elapsed().as_secs_f64()
        };
        let figures = VinFigures {
            vins: vins.len(),
            vins_per_s: pass(),
            again_vins_per_s: pass(),
            unreadable: lines.len() - vins.len(),
        };
        let words = format!(
            "{} VINs: {:.0}/s, again {:.0}/s",
            figures.vins, figures.vins_per_s, figures.again_vins_per_s
        );
        print(&words, &figures, self.json)
    }
}
