//! `dealers`: rooftops; make or change one, list them.

use anyhow::Result;
use domain::Dealer;
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Dealers {
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
    /// Make a rooftop, or change what is given of one
    Put(Box<Put>),
}

#[derive(Debug, clap::Args)]
struct Put {
    key: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    street: Option<String>,
    #[arg(long)]
    city: Option<String>,
    /// Two letters
    #[arg(long)]
    state: Option<String>,
    #[arg(long)]
    postal_code: Option<String>,
    /// Two letters [default: US]
    #[arg(long)]
    country: Option<String>,
    /// As `America/Denver`; its nights are counted in it [default: UTC]
    #[arg(long)]
    time_zone: Option<String>,
    /// What marketplaces call it
    #[arg(long)]
    store_code: Option<String>,
    /// Rooftops of one group hand units on to each other
    #[arg(long)]
    group: Option<String>,
}

impl Dealers {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut tx = platform.app.pool.begin().await?;
        match self.action {
            Action::List { json } => {
                for dealer in stores::Dealers::list(&mut tx).await? {
                    if json {
                        println!("{}", serde_json::to_string(&dealer)?);
                    } else {
                        println!(
                            "{:<24}  {:<32}  {}, {} {}  {}",
                            dealer.key,
                            dealer.name,
                            dealer.city,
                            dealer.state,
                            dealer.postal_code,
                            dealer.time_zone
                        );
                    }
                }
            }
            Action::Put(put) => {
                let known = stores::Dealers::find(&mut tx, &put.key).await?;
                let mut dealer = known.unwrap_or_else(|| Dealer {
                    key: put.key.clone(),
                    name: put.key.clone(),
                    country: "US".to_owned(),
                    time_zone: "UTC".to_owned(),
                    ..Dealer::default()
                });
                for (field, given) in [
                    (&mut dealer.name, put.name),
                    (&mut dealer.street, put.street),
                    (&mut dealer.city, put.city),
                    (&mut dealer.state, put.state),
                    (&mut dealer.postal_code, put.postal_code),
                    (&mut dealer.country, put.country),
                    (&mut dealer.time_zone, put.time_zone),
                    (&mut dealer.store_code, put.store_code),
                    (&mut dealer.group_name, put.group),
                ] {
                    if let Some(given) = given {
                        *field = given;
                    }
                }
                dealer.id = jobs::dealers::put(&platform.app, &dealer, &super::operator()).await?;
                println!("{}", serde_json::to_string(&dealer)?);
            }
        }
        tx.commit().await?;
        Ok(ExitCode::SUCCESS)
    }
}
