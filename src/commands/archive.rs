//! `archive`: what left the hot tables, and its way back.

use crate::station::Station;
use anyhow::{Result, ensure};
use queue::Enqueue;
use std::path::Path;
use std::process::ExitCode;
use stores::Archives;

#[derive(Debug, clap::Args)]
pub(super) struct Archive {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Newest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Archived units by VIN or stock number
    Find {
        number: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Archive now what left the lot long ago
    Run {
        /// Units sold or removed for more days than this
        #[arg(long, default_value_t = 90)]
        after_days: u32,
    },
    /// Bring back an archive, a listing of it, a rooftop's units, or what was archived on a day. Units `in_use`, whose number stands
    /// again at their rooftop, stay archived
    Restore {
        /// Its number; without it, what --dealer or --day names of every archive
        #[arg(required_unless_present_any = ["dealer", "day"])]
        archive: Option<i64>,
        #[arg(long, requires = "archive")]
        listing: Option<i64>,
        /// Its key; of every archive, or of the one
        #[arg(long)]
        dealer: Option<String>,
        /// When they were archived, as 2026-11-23 (UTC)
        #[arg(long, conflicts_with = "archive")]
        day: Option<jiff::civil::Date>,
    },
}

impl Archive {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let station = Station::open(data_dir).await?;
        let done = self.act(&station).await;
        station.close().await;
        done
    }

    async fn act(self, station: &Station) -> Result<ExitCode> {
        let mut conn = station.platform.app.pool.acquire().await?;
        let orders = match self.action {
            Action::List { json } => {
                for archive in Archives::list(&mut conn, 100).await? {
                    if json {
                        println!("{}", serde_json::to_string(&archive)?);
                        continue;
                    }
                    println!(
                        "{:>6}  {}  {:>6} rows  {:>10} bytes  {}",
                        archive.id,
                        archive.made_at,
                        archive.rows,
                        archive.bytes,
                        archive.object_key
                    );
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Find { number, json } => {
                for unit in Archives::find(&mut conn, &number).await? {
                    if json {
                        println!("{}", serde_json::to_string(&unit)?);
                        continue;
                    }
                    println!(
                        "archive {:>6}  listing {:>8}  {}  {}  {}{}",
                        unit.archive_id,
                        unit.listing_id,
                        unit.dealer,
                        unit.stock_number,
                        unit.vin.unwrap_or_default(),
                        if unit.restored { "  restored" } else { "" }
                    );
                }
                return Ok(ExitCode::SUCCESS);
            }
            Action::Run { after_days } => {
                vec![Enqueue::of(&jobs::ArchiveListings { after_days })?]
            }
            Action::Restore {
                archive,
                listing,
                dealer,
                day,
            } => {
                stores::Dealers::known(&mut conn, dealer.as_deref()).await?;
                let archives = match archive {
                    Some(archive) => {
                        Archives::get(&mut conn, archive).await?;
                        let out = Archives::lines(&mut conn, archive, dealer.as_deref()).await?;
                        let wanted = |id: i64| listing.is_none_or(|listing| listing == id);
                        ensure!(
                            out.iter().any(|(_, id)| wanted(*id)),
                            "archive {archive} has nothing of it that is not restored already"
                        );
                        vec![archive]
                    }
                    None => Archives::holding(&mut conn, dealer.as_deref(), day).await?,
                };
                ensure!(!archives.is_empty(), "nothing of it is archived");
                let order = |archive| {
                    let dealer = dealer.clone();
                    Enqueue::of(&jobs::RestoreListings {
                        archive,
                        listing,
                        dealer,
                    })
                };
                archives.into_iter().map(order).collect::<Result<_, _>>()?
            }
        };
        drop(conn);
        let done = station
            .perform("forecourt archive", "", "archive", orders)
            .await?;
        for job in station.reports(done.run).await? {
            println!("{job}");
        }
        Ok(if done.progress.dead == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
