//! `openapi`: write the two documents, or check that they are the written ones.

use anyhow::{Context, Result};
use api::{Api, IndexTailer};
use jobs::App;
use partners::{ObjectSettings, Objects};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Openapi {
    /// Folder to write to
    #[arg(long, default_value = "openapi")]
    out: PathBuf,
    /// Write nothing; fail when a document differs
    #[arg(long)]
    check: bool,
}

impl Openapi {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut differ = false;
        for (name, text) in api::documents(&unconnected()?) {
            let path = self.out.join(name);
            if self.check {
                let same = fs::read_to_string(&path).is_ok_and(|written| written == text);
                println!(
                    "{} {}",
                    path.display(),
                    if same { "is current" } else { "differs" }
                );
                differ |= !same;
            } else {
                fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
                println!("wrote {}", path.display());
            }
        }
        Ok(if differ {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// The documents need types, not servers.
fn unconnected() -> Result<Api> {
    let pool = stores::unconnected();
    let objects = Objects::new(&ObjectSettings {
        endpoint: None,
        region: String::new(),
        bucket: String::new(),
        access_key: String::new(),
        secret_key: String::new().into(),
    });
    let engine = queue::PostgresEngine::new(pool.clone()).into();
    let sealer = stores::Sealer::new(&[0; 32]);
    let fetcher = partners::Fetcher::new(partners::FetchSettings::default())?;
    Ok(Api {
        app: Arc::new(App::new(
            pool,
            engine,
            objects,
            sealer,
            String::new(),
            fetcher,
            PathBuf::new(),
        )),
        catalogue: Arc::new(jobs::catalogue()),
        search: Arc::new(IndexTailer::default()),
        workers: None,
    })
}
