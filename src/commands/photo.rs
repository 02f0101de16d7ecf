//! `photo`: fingerprints of files, which of them look alike, and the pictures that stand for none.

use anyhow::{Context, Result, ensure};
use photos::{Fingerprint, Hash, Limits, Near, Shelf, fingerprint};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Photo {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fingerprint photos: phash, dhash, size
    Hash {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Which photos of the stock look like this one
    Similar { file: PathBuf },
    /// This picture only says that a photo is coming; what ten units of six models show is taken for one by itself
    Placeholder {
        file: PathBuf,
        /// It is a photo after all
        #[arg(long)]
        deny: bool,
    },
}

impl Photo {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        match self.action {
            Action::Hash { files, json } => hash(&files, json),
            Action::Similar { file } => {
                let (print, _) = of_file(&file)?;
                let platform = super::connect(data_dir).await?;
                let mut conn = platform.app.pool.acquire().await?;
                let mut shelf = Shelf::default();
                for photo in stores::Photos::hashes_after(&mut conn, 0).await? {
                    shelf.push(photo.id, Hash(photo.phash), Hash(photo.dhash));
                }
                let mut near = shelf.near(print.phash, print.dhash);
                near.extend(shelf.near(print.mirrored, print.dhash.flipped()));
                let near = Near::best(near);
                println!("{} of {} photos", near.len(), shelf.len());
                for near in near.iter().take(50) {
                    let sure = if near.confirmed() { "alike" } else { "perhaps" };
                    for shown in stores::Photos::shown_by(&mut conn, near.id).await? {
                        println!(
                            "{sure:<8} phash {:>2} dhash {:>2}  listing {:>8}  {}",
                            near.phash, near.dhash, shown.0, shown.1
                        );
                    }
                }
                Ok(ExitCode::SUCCESS)
            }
            Action::Placeholder { file, deny } => {
                let (_, digest) = of_file(&file)?;
                let platform = super::connect(data_dir).await?;
                let mut conn = platform.app.pool.acquire().await?;
                let who = super::operator();
                if deny {
                    stores::Photos::deny_placeholder(&mut conn, &digest, &who).await?;
                    println!("no placeholder {digest}");
                } else {
                    stores::Photos::add_placeholder(&mut conn, &digest, &who).await?;
                    println!("placeholder {digest}");
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn of_file(file: &Path) -> Result<(Fingerprint, String)> {
    let size = std::fs::metadata(file)
        .with_context(|| format!("read {}", file.display()))?
        .len();
    ensure!(
        size <= Limits::DEFAULT.bytes as u64,
        "{} has {size} bytes, a photo may have {}",
        file.display(),
        Limits::DEFAULT.bytes
    );
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let print = fingerprint(&bytes, Limits::DEFAULT)
        .with_context(|| format!("fingerprint {}", file.display()))?;
    Ok((print, blake3::hash(&bytes).to_hex().to_string()))
}

fn hash(files: &[PathBuf], json: bool) -> Result<ExitCode> {
    let mut refused = false;
    for file in files {
        let name = file.display();
        match of_file(file) {
            Ok((print, digest)) if json => {
                let line = serde_json::json!({
                    "file": name.to_string(), "format": print.format.name(), "width": print.width,
                    "height": print.height, "phash": print.phash.to_string(), "dhash": print.dhash.to_string(),
                    "upright": print.upright.to_string(), "mirrored": print.mirrored.to_string(), "digest": digest,
                });
                println!("{line}");
            }
            Ok((print, _)) => println!(
                "{}  {}  {:>5} x {:<5} {:<5} {name}",
                print.phash,
                print.dhash,
                print.width,
                print.height,
                print.format.name()
            ),
            Err(error) => {
                refused = true;
                match json {
                    true => println!(
                        "{}",
                        serde_json::json!({ "file": name.to_string(), "error": format!("{error:#}") })
                    ),
                    false => println!("{error:#}"),
                }
            }
        }
    }
    Ok(if refused {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
