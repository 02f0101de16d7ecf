//! `sources`: list drops, pull one, see its files and what was refused.

mod put;

use anyhow::{Context, Result};
use jobs::by_hand::{self, Hand};
use jobs::sources::{after_load_word, settle_word};
use std::path::Path;
use std::process::ExitCode;
use stores::{FileState, Files};

#[derive(Debug, clap::Args)]
pub(super) struct Sources {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// A source's place, login, terms and schedule
    Show { source: String },
    /// Make a drop, or change what is named of it
    Put(Box<put::Put>),
    /// Pin the key that its host shows now, after the dealer has confirmed it
    Trust {
        source: String,
        /// The key the dealer has told; it must be the one that is shown
        #[arg(long)]
        host_key: String,
    },
    /// Look for new files now
    Pull { source: String },
    /// Load its newest file once more, as after its mapping was mended
    Reload { source: String },
    /// Look into its drop no more; what comes meanwhile waits there
    Pause { source: String },
    /// Look into it again
    Resume { source: String },
    /// Files of a source, newest first
    Files {
        source: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// What was refused of a file, by rule
    Rejects {
        file: i64,
        /// Every value and row of it
        #[arg(long)]
        all: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let a held file through
    Release { file: i64 },
}

impl Sources {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let (app, who) = (&platform.app, super::operator());
        let hand = Hand {
            who: &who,
            by: "command line",
        };
        let mut conn = app.pool.acquire().await?;
        match self.action {
            Action::List { json } => {
                for source in stores::Sources::list(&mut conn).await? {
                    if json {
                        let line = serde_json::json!({
                            "key": source.key, "kind": source.kind.as_str(), "dealer": source.dealer, "mapping": source.mapping,
                            "host": source.host, "port": source.port, "folder": source.folder,
                            "pattern": source.pattern, "url": source.url, "policy": source.terms.policy.as_str(), "paused": source.paused,
                            "username": source.username, "host_key": source.host_key, "create_dealers": source.create_dealers,
                            "settle": settle_word(&source.terms), "after_load": after_load_word(&source.terms),
                            "grace_files": source.terms.grace.files, "grace_hours": source.terms.grace.hours,
                            "attachments": source.terms.attachments.as_str(), "report_folder": source.terms.report_folder,
                            "max_removed_percent": source.max_removed_percent, "last_file_at": source.last_file_at, "last_file_state": source.last_file_state,
                        });
                        println!("{line}");
                        continue;
                    }
                    println!(
                        "{:<20}  {:<10}  {}  last {}{}",
                        source.key,
                        source.mapping,
                        source.place(),
                        source.last_file_state.as_deref().unwrap_or("never"),
                        if source.paused { "  paused" } else { "" }
                    );
                }
            }
            Action::Show { source } => show(&mut conn, &source).await?,
            Action::Put(put) => {
                drop(conn);
                put.run(&platform).await?;
            }
            Action::Trust { source, host_key } => {
                let known = stores::Sources::find(&mut conn, &source).await?;
                let known = known.with_context(|| format!("there is no source {source:?}"))?;
                let port = u16::try_from(known.port)?;
                let host = known.host.clone();
                let shown =
                    tokio::task::spawn_blocking(move || partners::sftp::host_key(&host, port))
                        .await??;
                anyhow::ensure!(
                    shown == host_key,
                    "{}:{port} shows {shown}, not {host_key}",
                    known.host
                );
                stores::Sources::pin(&mut conn, &source, &shown).await?;
                let subject = format!("source {source}, {shown}");
                stores::Audit::note(&mut conn, &super::operator(), "trust", &subject).await?;
                println!("pinned {shown}, before {}", known.host_key);
            }
            Action::Pull { source } => {
                drop(conn);
                println!("job {}", by_hand::pull(app, &source, hand).await?.id);
            }
            Action::Reload { source } => {
                drop(conn);
                println!("file {}", by_hand::reload(app, &source, hand).await?);
            }
            Action::Pause { source } => {
                drop(conn);
                by_hand::pause(app, &source, true, &who).await?;
                println!("{source} is paused");
            }
            Action::Resume { source } => {
                drop(conn);
                by_hand::pause(app, &source, false, &who).await?;
                println!("{source} goes on");
            }
            Action::Files { source, json } => {
                let known = stores::Sources::find(&mut conn, &source).await?;
                let source = known.with_context(|| format!("there is no source {source:?}"))?;
                for file in Files::list(&mut conn, Some(source.id), 50).await? {
                    if json {
                        println!("{}", serde_json::to_string(&file)?);
                        continue;
                    }
                    let c = file.counts;
                    println!(
                        "{:>6}  {:<8}  {}  {} rows: {} new, {} changed, {} same, {} rejected, {} duplicates; {} values refused, {} removed  {}",
                        file.id,
                        file.state.as_str(),
                        file.name,
                        c.rows,
                        c.created,
                        c.updated,
                        c.unchanged,
                        c.rejected,
                        c.duplicates,
                        file.values_refused,
                        c.removed,
                        match file.state {
                            FileState::Held => file.held_reason.unwrap_or_default(),
                            _ => file
                                .released_by
                                .map_or(String::new(), |who| format!("released by {who}")),
                        }
                    );
                }
            }
            Action::Rejects { file, all, json } if !all && !json => {
                Files::get(&mut conn, file).await?;
                for told in Files::refused(&mut conn, file).await? {
                    println!(
                        "{:>6} x {:<20}  {:<18}  {} rows lost; row {}: {:?}: {}",
                        told.count,
                        told.rule,
                        told.column,
                        told.rows_lost,
                        told.row,
                        told.value,
                        told.message
                    );
                }
            }
            Action::Rejects { file, json, .. } => {
                Files::get(&mut conn, file).await?;
                for reject in Files::rejects(&mut conn, file).await? {
                    if json {
                        println!("{}", serde_json::to_string(&reject)?);
                        continue;
                    }
                    let lost = match (reject.row, reject.row_lost) {
                        (0, _) => "the file",
                        (_, true) => "row lost",
                        (_, false) => "value dropped",
                    };
                    println!(
                        "row {:>6}  {:<16}  {:<14}  {:<20}  {lost}: {}",
                        reject.row, reject.stock_number, reject.column, reject.rule, reject.message
                    );
                }
            }
            Action::Release { file } => {
                drop(conn);
                println!("job {}", by_hand::release(app, file, hand).await?.id);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Each under the name that `sources put` has for it.
async fn show(conn: &mut stores::PgConnection, key: &str) -> Result<()> {
    let known = stores::Sources::find(conn, key).await?;
    let source = known.with_context(|| format!("there is no source {key:?}"))?;
    let schedule = stores::Schedules::find(conn, &format!("pull-{key}")).await?;
    let terms = &source.terms;
    let login = match terms.login {
        stores::Login::Key => "a private key",
        stores::Login::Password => "a password",
    };
    let lines = [
        ("kind", source.kind.as_str().to_owned()),
        ("place", source.place()),
        (
            "dealer",
            source
                .dealer
                .clone()
                .unwrap_or_else(|| "each row names its own".to_owned()),
        ),
        ("create dealers", source.create_dealers.to_string()),
        ("mapping", source.mapping.clone()),
        (
            "user",
            match source.username.as_str() {
                "" => String::new(),
                user => format!("{user}, with {login}"),
            },
        ),
        ("host key", source.host_key.clone()),
        ("settle", settle_word(terms)),
        ("after load", after_load_word(terms)),
        ("policy", terms.policy.as_str().to_owned()),
        ("grace files", terms.grace.files.to_string()),
        ("grace hours", terms.grace.hours.to_string()),
        ("attachments", terms.attachments.as_str().to_owned()),
        (
            "max removed percent",
            source.max_removed_percent.to_string(),
        ),
        ("report folder", terms.report_folder.clone()),
        (
            "cron",
            schedule.map_or_else(String::new, |s| format!("{} in {}", s.cron, s.time_zone)),
        ),
        ("paused", source.paused.to_string()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        println!("{name:<20} {value}");
    }
    Ok(())
}
