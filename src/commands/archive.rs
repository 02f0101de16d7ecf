//! `archive`: what left the hot tables, and its way back.

use crate::station::Station;
use anyhow::Result;
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
    List,
    /// Archived units by VIN or stock number
    Find { number: String },
    /// Archive now what left the lot long ago
    Run {
        /// Units sold or removed for more days than this
        #[arg(long, default_value_t = 90)]
        after_days: u32,
    },
    /// Bring an archive back, or one listing of it
    Restore {
        archive: i64,
        #[arg(long)]
        listing: Option<i64>,
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
        let order = match self.action {
            Action::List => {
                for archive in Archives::list(&mut conn, 100).await? {
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
            Action::Find { number } => {
                for unit in Archives::find(&mut conn, &number).await? {
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
            Action::Run { after_days } => Enqueue::of(&jobs::ArchiveListings { after_days })?,
            Action::Restore { archive, listing } => {
                Enqueue::of(&jobs::RestoreListings { archive, listing })?
            }
        };
        drop(conn);
        let done = station
            .perform("forecourt archive", "", "archive", vec![order])
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
