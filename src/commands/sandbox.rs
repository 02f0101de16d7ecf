//! `sandbox`: partners to try things on. They answer as the real ones do, and fail as a file says.

use crate::sample;
use anyhow::{Context, Result};
use embedded::{DropSettings, Faults, Sandbox, SftpDrop};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Of this machine, for HTTP
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// For the drop with the badge file
    #[arg(long, default_value_t = 8022)]
    sftp_port: u16,
    /// How they fail (see docs/faults.yaml); read again whenever it changes
    #[arg(long)]
    faults: Option<PathBuf>,
    /// A file with the VINs that the badge file reports on; the demo's without it
    #[arg(long)]
    badges_of: Option<PathBuf>,
}

const USER: &str = "dealer";
/// It serves this machine alone, and nothing of worth.
const PASSWORD: &str = "sandbox";

impl Serve {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let sandbox = Sandbox::start(self.port).await?;
        let mut faults = self.faults.as_deref().map(FaultsFile::read).transpose()?;
        if let Some(file) = &faults {
            sandbox.misbehave(file.faults.clone());
        }
        let root = data_dir.join("sandbox");
        let vins = match &self.badges_of {
            Some(file) => vins(file)?,
            None => sample::vins(400),
        };
        let folder = root.join("drop").join("badges");
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        fs::write(folder.join("badges.csv"), Sandbox::badge_file(&vins))
            .context("write the badge file")?;
        let sftp = SftpDrop::start(&DropSettings {
            root: root.join("drop"),
            host_key: root.join("sftp-host.key"),
            port: self.sftp_port,
            username: USER.to_owned(),
            password: PASSWORD.to_owned(),
        })
        .await?;
        let orders = write_orders(&root)?;
        self.say(&sandbox, &sftp, &orders, vins.len());
        let mut told = std::pin::pin!(crate::platform::told_to_stop());
        loop {
            tokio::select! {
                () = &mut told => break,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            if let Some(news) = faults.as_mut().and_then(FaultsFile::changed) {
                match news {
                    Ok(faults) => {
                        sandbox.misbehave(faults);
                        println!("faults as the file says now");
                    }
                    Err(error) => eprintln!("faults stay as they were: {error:#}"),
                }
            }
        }
        for (host, partner) in Sandbox::PARTNERS {
            println!("{host:<14} {:>8} requests", sandbox.requests_of(partner));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, sandbox: &Sandbox, sftp: &SftpDrop, orders: &[PathBuf], vins: usize) {
        println!("partners on {}, by host:", sandbox.address);
        for (host, _) in Sandbox::PARTNERS {
            println!("  http://{host}/");
        }
        println!(
            "drop on 127.0.0.1:{}, user {USER}, password {PASSWORD}, {}: /badges/badges.csv, {vins} vehicles",
            sftp.port, sftp.fingerprint
        );
        println!(
            "to be asked by an instance: set FORECOURT_SANDBOX={} where it starts, then",
            sandbox.address
        );
        for order in orders {
            let name = order.file_stem().unwrap_or_default().to_string_lossy();
            println!("  forecourt providers put {name} {}", order.display());
        }
        println!("serving until it is stopped");
    }
}

/// An order a provider, as `providers put` takes them.
fn write_orders(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("providers");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let orders: BTreeMap<String, serde_json::Value> = serde_json::from_str(Sandbox::PROVIDERS)?;
    let mut paths = Vec::new();
    for (name, order) in orders {
        let path = folder.join(format!("{name}.yaml"));
        fs::write(&path, serde_norway::to_string(&order)?)
            .with_context(|| format!("write {}", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Whatever in the file has a VIN's form: a list, or a dealer's CSV.
fn vins(file: &Path) -> Result<Vec<String>> {
    let text = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let text = String::from_utf8_lossy(&text);
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    Ok(words
        .filter(|word| word.len() == 17)
        .filter_map(|word| domain::Vin::parse(word).ok())
        .map(|vin| vin.to_string())
        .collect())
}

/// A file of faults, and when it was last written.
struct FaultsFile {
    path: PathBuf,
    written: Option<SystemTime>,
    faults: Faults,
}

impl FaultsFile {
    fn read(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            written: written(path),
            faults: faults_of(Some(path))?,
        })
    }

    /// What it says now, if it was written since; or why that is no good.
    fn changed(&mut self) -> Option<Result<Faults>> {
        let now = written(&self.path);
        if now == self.written {
            return None;
        }
        self.written = now;
        Some(faults_of(Some(&self.path)))
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

const AN_EXAMPLE: &str = include_str!("../../docs/faults.yaml");

/// How partners fail, as a file says, or our example of one.
pub(super) fn faults_of(file: Option<&Path>) -> Result<Faults> {
    let (name, text) = match file {
        Some(file) => {
            let name = file.display().to_string();
            let text = fs::read_to_string(file).with_context(|| name.clone())?;
            (name, text)
        }
        None => ("docs/faults.yaml".to_owned(), AN_EXAMPLE.to_owned()),
    };
    Faults::parse(&text)
        .map_err(anyhow::Error::msg)
        .with_context(|| name)
}
