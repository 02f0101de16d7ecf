//! One unit and one feed: is it in, and if not, every reason why.

use crate::station::Station;
use anyhow::{Context, Result, bail};
use domain::{Filter, Listing};
use feeds::{Definition, Feed, Unit};
use std::path::Path;
use std::process::ExitCode;
use stores::{Dealers, ListingFilter, Listings};

#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    feed: String,
    /// The unit's VIN
    #[arg(
        long,
        conflicts_with = "stock_number",
        required_unless_present = "stock_number"
    )]
    vin: Option<String>,
    /// The unit's stock number
    #[arg(long)]
    stock_number: Option<String>,
    /// Its dealer's key, when several have the number
    #[arg(long)]
    dealer: Option<String>,
}

impl Explain {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let station = Station::open(data_dir).await?;
        let told = self.tell(&station).await;
        station.close().await;
        told?;
        Ok(ExitCode::SUCCESS)
    }

    async fn tell(&self, station: &Station) -> Result<()> {
        let app = &station.platform.app;
        let mut conn = app.pool.acquire().await?;
        let row = stores::Feeds::find(&mut conn, &self.feed).await?;
        let row = row.with_context(|| format!("there is no feed {:?}", self.feed))?;
        let definition: Definition = serde_json::from_value(row.definition)?;
        let wanted = ListingFilter {
            kind: None,
            dealer: self.dealer.clone(),
            vin: self.vin.as_ref().map(|vin| vin.to_ascii_uppercase()),
            stock_number: self.stock_number.clone(),
        };
        let mut units = Listings::list(&mut conn, &wanted, 0, 20).await?;
        if units.is_empty() {
            bail!("no unit on the lot has that number");
        }
        let dealers = Dealers::list(&mut conn).await?;
        let exclusions = match row.latest_run_id {
            Some(run) => stores::Feeds::exclusions_of(&mut conn, run, &ids(&units)).await?,
            None => Vec::new(),
        };
        let flaws = jobs::build_feed::flaws(&mut conn, Some(&ids(&units))).await?;
        let ours = jobs::build_feed::shown(app, &definition, &units).await?;
        for unit in &mut units {
            let Some(dealer) = dealers.iter().find(|dealer| dealer.id == unit.dealer_id) else {
                continue;
            };
            println!(
                "listing {} ({} {}) and {}",
                unit.id, dealer.key, unit.stock_number, self.feed
            );
            if !definition.filter.matches(unit, &dealer.key) {
                println!("  not considered: the feed's filter does not select it");
                for part in refusing(&definition.filter, unit, &dealer.key) {
                    println!("    {}", serde_json::to_string(part)?);
                }
                continue;
            }
            let shown = unit.details.image_urls.len();
            let placeholders = flaws.leave_out(&mut unit.details.image_urls, &ours);
            let left = unit.details.image_urls.len();
            if left < shown {
                println!(
                    "  {left} of its {shown} photos go out: {placeholders} are placeholders, {} are not there",
                    shown - left - placeholders
                );
            }
            let unit_of = Unit {
                listing: unit,
                dealer,
                site: &app.site,
                placeholders,
            };
            let environment = Feed::environment();
            let mut feed = Feed::new(&definition, &environment)?;
            match feed.write(&unit_of, &mut Vec::new()) {
                Ok(()) => println!("  would be published now"),
                Err(reasons) => println!("  would be left out now: {}", reasons.join(", ")),
            }
            let last = exclusions.iter().find(|e| e.listing_id == unit.id);
            match (row.latest_run_id, last) {
                (None, _) => println!("  the feed was never published"),
                (Some(run), Some(left)) => {
                    println!(
                        "  run {run}, published now, left it out: {}",
                        left.reasons.join(", ")
                    );
                }
                (Some(run), None) => println!("  run {run}, published now, did not leave it out"),
            }
        }
        Ok(())
    }
}

fn ids(units: &[Listing]) -> Vec<i64> {
    units.iter().map(|unit| unit.id).collect()
}

/// The parts of the filter that say no.
fn refusing<'a>(filter: &'a Filter, unit: &Listing, dealer: &str) -> Vec<&'a Filter> {
    match filter {
        Filter::All(parts) => parts
            .iter()
            .filter(|part| !part.matches(unit, dealer))
            .flat_map(|part| refusing(part, unit, dealer))
            .collect(),
        other => vec![other],
    }
}
