//! `partners`: breakers and budgets of everybody we call, and what an operator may do about them.

use anyhow::{Context, Result, bail};
use queue::Partner;
use std::path::Path;
use std::process::ExitCode;
use stores::Audit;

#[derive(Debug, clap::Args)]
pub(super) struct Partners {
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
    /// One partner and what its breaker went through
    Show { name: String },
    /// Keep everybody away from it until it is closed or probed
    Isolate {
        name: String,
        /// Shown to whoever asks why
        #[arg(long, default_value = "isolated by hand")]
        why: String,
    },
    /// Let everybody through again
    Close {
        name: String,
        /// And do not open it by itself any more
        #[arg(long)]
        force: bool,
    },
    /// The next job probes it, whatever is left of its break
    Probe { name: String },
    /// Limits of everything done with it; absent: none
    Limit {
        name: String,
        /// Jobs at once, over every process
        #[arg(long)]
        running: Option<u16>,
        /// Calls a second, over every process
        #[arg(long)]
        calls: Option<f64>,
    },
}

impl Partners {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut tx = platform.app.pool.begin().await?;
        let who = super::operator();
        let (done, action, name) = match self.action {
            Action::List { json } => {
                for partner in Partner::list(&mut tx).await? {
                    if json {
                        println!("{}", serde_json::to_string(&partner)?);
                    } else {
                        println!("{}", line(&partner));
                    }
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Show { name } => {
                let partner = Partner::find(&mut tx, &name).await?;
                println!("{}", line(&partner.with_context(|| unknown(&name))?));
                for event in Partner::events(&mut tx, &name, 50).await? {
                    let who = event.who.map_or(String::new(), |who| format!(" by {who}"));
                    println!(
                        "  {:.0}  {} -> {}{who}: {}",
                        event.at, event.was, event.became, event.why
                    );
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Isolate { name, why } => (
                Partner::isolate(&mut tx, &name, &who, &why).await?,
                "isolate",
                name,
            ),
            Action::Close { name, force } => (
                Partner::close(&mut tx, &name, &who, force).await?,
                "close",
                name,
            ),
            Action::Probe { name } => {
                if !Partner::probe_now(&mut tx, &name, &who).await? {
                    let partner = Partner::find(&mut tx, &name).await?;
                    let state = partner.with_context(|| unknown(&name))?.state;
                    bail!(
                        "partner {name} is {}: there is nothing to probe",
                        state.as_str()
                    );
                }
                (true, "probe", name)
            }
            Action::Limit {
                name,
                running,
                calls,
            } => (
                Partner::limit(&mut tx, &name, running, calls).await?,
                "limit",
                name,
            ),
        };
        if !done {
            bail!(unknown(&name));
        }
        Audit::note(&mut tx, &who, action, &format!("partner {name}")).await?;
        tx.commit().await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(name: &str) -> String {
    format!("no partner is called {name:?}; see `forecourt partners list`")
}

fn line(partner: &Partner) -> String {
    let until = partner
        .until
        .map_or(String::new(), |at| format!(" until {at:.0}"));
    let running = partner
        .max_running
        .map_or(String::new(), |max| format!(", at most {max} jobs"));
    let calls = partner
        .calls_per_second
        .map_or(String::new(), |rate| format!(", {rate} calls/s"));
    let reason = partner.reason.clone().unwrap_or_default();
    format!(
        "{:<36} {}{until}{running}{calls}  {reason}",
        partner.name,
        partner.state.as_str()
    )
}
