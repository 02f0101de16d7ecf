//! `sources put`: a drop, how to log in, and its terms.

use crate::platform::Platform;
use anyhow::{Context, Result, ensure};
use ingest::Mapping;
use partners::sftp;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use stores::{
    AfterLoad, Audit, Dealers, Login, NewSource, OwnMappings, Schedules, Settle, SourceRow,
    Sources, Terms,
};

#[derive(Debug, clap::Args)]
pub(super) struct Put {
    key: String,
    /// Whose units its files hold
    #[arg(long)]
    dealer: String,
    /// How its files are read, as `mappings list` names them
    #[arg(long)]
    mapping: String,
    #[arg(long)]
    host: String,
    #[arg(long, default_value_t = 22)]
    port: u16,
    #[arg(long)]
    user: String,
    /// A file whose first line is the password
    #[arg(
        long,
        conflicts_with = "key_file",
        required_unless_present = "key_file"
    )]
    password_file: Option<PathBuf>,
    /// A private key without a passphrase
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// `SHA256:…`, as the dealer tells it; without it the key that the host shows now is pinned, and printed
    #[arg(long)]
    host_key: Option<String>,
    #[arg(long, default_value = "/")]
    folder: String,
    #[arg(long, default_value = "*.csv")]
    pattern: String,
    /// When a file is whole: `twice` (the same size and time at two looks), `at_once`, or `marker:.done`
    #[arg(long, default_value = "twice")]
    settle: String,
    /// What becomes of a loaded file: `leave`, `delete` or `move:/folder`
    #[arg(long, default_value = "leave")]
    after_load: String,
    /// When it is pulled [default: 0 2 * * *, for a new one]
    #[arg(long)]
    cron: Option<String>,
}

const NIGHTLY: &str = "0 2 * * *";

impl Put {
    pub(super) async fn run(self, platform: &Platform) -> Result<()> {
        ensure!(
            sftp::safe_name(&self.key),
            "{:?} is no key: letters, digits and dashes",
            self.key
        );
        let terms = self.terms()?;
        let secret = self.secret()?;
        let pinned = match self.host_key.clone() {
            Some(key) => key,
            None => {
                let (host, port) = (self.host.clone(), self.port);
                tokio::task::spawn_blocking(move || sftp::host_key(&host, port)).await??
            }
        };
        ensure!(
            pinned.starts_with("SHA256:"),
            "--host-key: {pinned:?} does not begin with SHA256:"
        );
        let mut tx = platform.app.pool.begin().await?;
        if OwnMappings::newest(&mut tx, &self.mapping).await?.is_none() {
            Mapping::built_in(&self.mapping)?;
        }
        let dealer = Dealers::find(&mut tx, &self.dealer)
            .await?
            .with_context(|| format!("there is no dealer {:?}: `dealers put`", self.dealer))?;
        let dealer_id = Dealers::put(&mut tx, &dealer).await?;
        let purpose = SourceRow::purpose(&self.key);
        let source = NewSource {
            key: self.key.clone(),
            dealer_id,
            host: self.host,
            port: self.port,
            username: self.user,
            secret: platform.app.sealer.seal(&purpose, secret.expose_secret())?,
            host_key: pinned.clone(),
            folder: self.folder,
            pattern: self.pattern,
            mapping: self.mapping,
            terms,
        };
        Sources::put(&mut tx, &source).await?;
        let schedule = format!("pull-{}", self.key);
        let args = serde_json::json!({ "source": self.key });
        let zone = &dealer.time_zone;
        Schedules::ensure(&mut tx, &schedule, NIGHTLY, zone, "pull_source", &args).await?;
        let mut made = Schedules::find(&mut tx, &schedule)
            .await?
            .with_context(|| format!("there is no schedule {schedule}"))?;
        // The source was there before: only what is said anew changes.
        if let Some(cron) = self.cron {
            made.cron = cron;
        }
        jobs::loops::check_schedule(&made)?;
        Schedules::edit(&mut tx, &made).await?;
        let subject = format!("source {}", self.key);
        Audit::note(&mut tx, &crate::commands::operator(), "put", &subject).await?;
        tx.commit().await?;
        println!("pinned {pinned}");
        println!(
            "{schedule} pulls it at {} in {}; now: `forecourt sources pull {}`",
            made.cron, made.time_zone, self.key
        );
        Ok(())
    }

    fn secret(&self) -> Result<SecretString> {
        let (path, first_line) = match (&self.password_file, &self.key_file) {
            (Some(path), _) => (path, true),
            (None, Some(path)) => (path, false),
            (None, None) => anyhow::bail!("--password-file or --key-file"),
        };
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let text = if first_line {
            text.lines().next().unwrap_or_default().to_owned()
        } else {
            text
        };
        ensure!(!text.trim().is_empty(), "{} is empty", path.display());
        Ok(text.into())
    }

    fn terms(&self) -> Result<Terms> {
        let settle = match self.settle.split_once(':') {
            None if self.settle == "twice" => Settle::Twice,
            None if self.settle == "at_once" => Settle::AtOnce,
            Some(("marker", ending)) if !ending.is_empty() => Settle::Marker(ending.to_owned()),
            _ => anyhow::bail!(
                "--settle: {:?} is not twice, at_once or marker:ENDING",
                self.settle
            ),
        };
        let after_load = match self.after_load.split_once(':') {
            None if self.after_load == "leave" => AfterLoad::Leave,
            None if self.after_load == "delete" => AfterLoad::Delete,
            Some(("move", folder)) if !folder.is_empty() && folder != self.folder => {
                AfterLoad::Move(folder.to_owned())
            }
            _ => anyhow::bail!(
                "--after-load: {:?} is not leave, delete or move:FOLDER, another than {}",
                self.after_load,
                self.folder
            ),
        };
        let login = if self.key_file.is_some() {
            Login::Key
        } else {
            Login::Password
        };
        Ok(Terms {
            login,
            settle,
            after_load,
        })
    }
}
