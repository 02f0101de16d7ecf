//! `sources put`: a drop, how to log in, and its terms.

use crate::platform::Platform;
use anyhow::{Context, Result, ensure};
use jobs::sources::SourceOrder;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Put {
    key: String,
    /// Whose units its files hold; without it, or blank, each row names its own rooftop
    #[arg(long)]
    dealer: Option<String>,
    /// Rooftops that rows name, and nobody knows yet, are made
    #[arg(long, conflicts_with = "dealer")]
    create_dealers: bool,
    /// Of a source without a dealer [default: UTC]
    #[arg(long, conflicts_with = "dealer")]
    time_zone: Option<String>,
    /// How its files are read, as `mappings list` names them
    #[arg(long)]
    mapping: Option<String>,
    /// `sftp`, `folder` (of this machine, or mounted) or `https` (one file at an address) [default: sftp]
    #[arg(long)]
    kind: Option<String>,
    #[arg(long)]
    host: Option<String>,
    /// [default: 22]
    #[arg(long)]
    port: Option<u16>,
    #[arg(long)]
    user: Option<String>,
    /// A file whose first line is the password
    #[arg(long, conflicts_with = "key_file")]
    password_file: Option<PathBuf>,
    /// A private key without a passphrase
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// `SHA256:…`, as the dealer tells it; without it the key that the host shows now is pinned, and printed
    #[arg(long)]
    host_key: Option<String>,
    /// Of an https source
    #[arg(long)]
    url: Option<String>,
    /// From the root [default for sftp: /]
    #[arg(long)]
    folder: Option<String>,
    /// [default: *.csv]
    #[arg(long)]
    pattern: Option<String>,
    /// When a file is whole: `twice` (the same size and time at two looks), `at_once`, or `marker:.done` [default: twice]
    #[arg(long)]
    settle: Option<String>,
    /// What becomes of a loaded file: `leave`, `delete` or `move:/folder` [default: leave]
    #[arg(long)]
    after_load: Option<String>,
    /// `overwrite` (a file is the whole stock), `merge` (the same, but blanks say nothing) or `update_only` (nothing
    /// is new and nothing is gone) [default: overwrite]
    #[arg(long)]
    policy: Option<String>,
    /// A unit that is missing leaves the lot once more files than this lack it [default: 0]
    #[arg(long)]
    grace_files: Option<i32>,
    /// And once the first of them is this old [default: 0]
    #[arg(long)]
    grace_hours: Option<i32>,
    /// Of a prime unit that is gone or sold: `keep` them on the lot, or let them leave `with_prime` [default: keep]
    #[arg(long)]
    attachments: Option<String>,
    /// Where its daily report goes on the drop [default: none]
    #[arg(long)]
    report_folder: Option<String>,
    /// A file that would take more of the source's units off the lot is held [default: 30]
    #[arg(long)]
    max_removed_percent: Option<i32>,
    /// When it is pulled [default: 0 2 * * *]
    #[arg(long)]
    cron: Option<String>,
}

impl Put {
    pub(super) async fn run(self, platform: &Platform) -> Result<()> {
        let order = SourceOrder {
            dealer: self.dealer,
            create_dealers: self.create_dealers.then_some(true),
            time_zone: self.time_zone,
            max_removed_percent: self.max_removed_percent,
            mapping: self.mapping,
            kind: self.kind,
            host: self.host,
            port: self.port,
            username: self.user,
            password: self.password_file.as_deref().map(first_line).transpose()?,
            private_key: self.key_file.as_deref().map(whole).transpose()?,
            host_key: self.host_key,
            folder: self.folder,
            pattern: self.pattern,
            url: self.url,
            settle: self.settle,
            after_load: self.after_load,
            policy: self.policy,
            grace_files: self.grace_files,
            grace_hours: self.grace_hours,
            attachments: self.attachments,
            report_folder: self.report_folder,
            cron: self.cron,
        };
        let who = crate::commands::operator();
        let put = jobs::sources::put(&platform.app, &self.key, order, &who).await?;
        if !put.host_key.is_empty() {
            println!("pinned {}", put.host_key);
        }
        println!(
            "{} pulls it at {} in {}; now: `forecourt sources pull {}`",
            put.schedule, put.cron, put.time_zone, self.key
        );
        Ok(())
    }
}

fn whole(path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    ensure!(!text.trim().is_empty(), "{} is empty", path.display());
    Ok(text.into())
}

fn first_line(path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let line = text.lines().next().unwrap_or_default();
    ensure!(!line.is_empty(), "{} is empty", path.display());
    Ok(line.to_owned().into())
}
