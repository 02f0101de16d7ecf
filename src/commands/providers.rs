//! `providers`: services that know vehicles' VINs, past and worth, or show their photos.

use anyhow::{Context, Result};
use jobs::providers::{KNOWN_VIN, ProviderOrder, ask_one, put, remove};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stores::ProviderView;

#[derive(Debug, clap::Args)]
pub(super) struct Providers {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Each with what waits for it, what fails, and what was answered
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make or change one
    Put {
        name: String,
        /// YAML: kind, url, and what its kind needs
        file: PathBuf,
        /// A file with its secret alone
        #[arg(long)]
        secret_file: Option<PathBuf>,
    },
    /// Remove one, with what is due and all it said; its title brands and worths stand no more
    Remove { name: String },
    /// Ask it about one vehicle now
    Test {
        name: String,
        #[arg(default_value = KNOWN_VIN)]
        vin: String,
    },
}

pub(super) fn line(view: &ProviderView) -> String {
    let state = if view.enabled { "" } else { "  disabled" };
    format!(
        "{:<16} {:<10} {:>7} due {:>6} failing {:>8} answers {:>6} unknown {:>5} unreadable{state}",
        view.name, view.kind, view.due, view.failing, view.answers, view.unknown, view.drifted
    )
}

impl Providers {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let app = &platform.app;
        match self.action {
            Action::List { json } => {
                let mut conn = app.pool.acquire().await?;
                for view in stores::Providers::views(&mut conn).await? {
                    if json {
                        // Without its query: there may be a key in it.
                        let url = view.url.split('?').next().unwrap_or_default().to_owned();
                        let view = ProviderView { url, ..view };
                        println!("{}", serde_json::to_string(&view)?);
                        continue;
                    }
                    println!("{}", line(&view));
                    if let Some(problem) = view.problem {
                        println!("  {problem}");
                    }
                }
            }
            Action::Put {
                name,
                file,
                secret_file,
            } => {
                let shown = file.display();
                let yaml = std::fs::read_to_string(&file).with_context(|| format!("{shown}"))?;
                let mut order: ProviderOrder =
                    serde_norway::from_str(&yaml).with_context(|| format!("{shown}"))?;
                if let Some(secret) = secret_file {
                    let text = std::fs::read_to_string(&secret)
                        .with_context(|| format!("{}", secret.display()))?;
                    order.secret = Some(text.trim().to_owned().into());
                }
                let disabled = order.disabled;
                put(app, &name, order, &super::operator()).await?;
                match disabled {
                    true => println!(
                        "{name} is set, and disabled: it is not asked, and what it said does not stand"
                    ),
                    false => println!(
                        "{name} is set; it is asked about what comes in, and every night (schedule refresh-{name})"
                    ),
                }
            }
            Action::Remove { name } => {
                remove(app, &name, &super::operator()).await?;
                println!("{name} is removed; units it said something of are looked at again");
            }
            Action::Test { name, vin } => {
                let mut conn = app.pool.acquire().await?;
                let provider = stores::Providers::get(&mut conn, &name).await?;
                drop(conn);
                let vin = domain::Vin::parse(&vin)?;
                println!("{}", ask_one(app, &provider, vin.as_str()).await?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
