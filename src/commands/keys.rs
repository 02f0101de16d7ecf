//! `keys`: create, list and revoke API keys.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::ExitCode;
use stores::Scope;

#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key; it is shown once
    Create {
        name: String,
        /// search, read, operate or admin
        #[arg(long, default_value = "read")]
        scope: String,
    },
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    Revoke {
        id: i64,
    },
}

impl Keys {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        match self.action {
            Action::Create { name, scope } => {
                let scope = Scope::parse(&scope).with_context(|| {
                    format!("no scope is called {scope:?}: search, read, operate or admin")
                })?;
                println!("{}", stores::Keys::create(&mut conn, &name, scope).await?);
            }
            Action::List { json } => {
                for key in stores::Keys::list(&mut conn).await? {
                    if json {
                        let (scope, name) = (key.scope.as_str(), &key.name);
                        let line =
                            serde_json::json!({ "id": key.id, "scope": scope, "name": name });
                        println!("{line}");
                        continue;
                    }
                    println!("{:>6}  {:<8}  {}", key.id, key.scope.as_str(), key.name);
                }
            }
            Action::Revoke { id } => {
                if !stores::Keys::revoke(&mut conn, id).await? {
                    bail!("there is no key {id} that is not revoked already");
                }
                println!("revoked");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
