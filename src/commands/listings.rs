//! `listings`: one unit and whose word each field is; an operator's own word; where listing and VIN disagree.

use anyhow::{Context, Result};
use domain::{Details, Field, Listing};
use jobs::{by_hand, unknown_words};
use std::path::Path;
use std::process::ExitCode;
use stores::{Overrides, PgConnection};

#[derive(Debug, clap::Args)]
pub(super) struct Listings {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Args)]
struct Unit {
    dealer: String,
    stock_number: String,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Every field, who said it, in which file and row, over what
    Show {
        #[command(flatten)]
        unit: Unit,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say what a field is; it stands over every file until it is released
    Override {
        #[command(flatten)]
        unit: Unit,
        field: String,
        /// Whole numbers in the field's unit; lists by commas
        value: String,
    },
    /// Let the dealer's newest word stand again
    Release {
        #[command(flatten)]
        unit: Unit,
        field: String,
    },
    /// Words of the stock that no table knows, most used first; a mapping's `words` can say what they mean
    Unknown {
        #[arg(long)]
        dealer: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Where a listing on the lot and its VIN disagree
    Contradictions {
        #[arg(long)]
        dealer: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: i64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

impl Listings {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let app = &platform.app;
        let mut conn = app.pool.acquire().await?;
        let who = super::operator();
        match self.action {
            Action::Show { unit, json } => show(&find(&mut conn, &unit).await?, json)?,
            Action::Override { unit, field, value } => {
                let listing = find(&mut conn, &unit).await?;
                let field = by_hand::field(&field)?;
                let value = field.read(&value).map_err(anyhow::Error::msg)?;
                drop(conn);
                let after = by_hand::put_right(app, listing.id, field, value, &who).await?;
                line(&after, field);
            }
            Action::Release { unit, field } => {
                let listing = find(&mut conn, &unit).await?;
                let field = by_hand::field(&field)?;
                drop(conn);
                let after = by_hand::let_go(app, listing.id, field, &who).await?;
                let after =
                    after.with_context(|| format!("nobody has overridden {}", field.name()))?;
                line(&after, field);
            }
            Action::Unknown { dealer, json } => {
                stores::Dealers::known(&mut conn, dealer.as_deref()).await?;
                for found in unknown_words::of_stock(&mut conn, dealer.as_deref()).await? {
                    if json {
                        println!("{}", serde_json::to_string(&found)?);
                        continue;
                    }
                    println!(
                        "{:<16} {:<32} {:>7} units of {:>4} dealers, as {}",
                        found.field, found.value, found.units, found.dealers, found.stock_number
                    );
                }
            }
            Action::Contradictions {
                dealer,
                limit,
                json,
            } => {
                let limit = limit.clamp(1, 100_000);
                let dealer = dealer.as_deref();
                stores::Dealers::known(&mut conn, dealer).await?;
                let rows = Overrides::contradictions(&mut conn, dealer, (0, ""), limit).await?;
                super::more_than(limit, rows.len());
                for row in rows {
                    if json {
                        println!("{}", serde_json::to_string(&row)?);
                        continue;
                    }
                    println!(
                        "{:<20} {:<16} {:<17}  {}: listed {:?}, its {} says {:?}",
                        row.dealer,
                        row.stock_number,
                        row.vin.as_deref().unwrap_or_default(),
                        row.field,
                        row.listing_value,
                        row.source(),
                        row.vin_value
                    );
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn find(conn: &mut PgConnection, unit: &Unit) -> Result<Listing> {
    let (dealer, number) = (unit.dealer.as_str(), unit.stock_number.trim());
    stores::Dealers::known(conn, Some(dealer)).await?;
    let found = stores::Listings::at(conn, dealer, number).await?;
    found.with_context(|| {
        format!("{dealer} has no unit {number:?}; `reports unit {number}` tells where it was, `archive find {number}` what is archived")
    })
}

fn show(listing: &Listing, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(listing)?);
        return Ok(());
    }
    println!(
        "listing {} {} {}  {}",
        listing.id,
        listing.stock_number,
        listing.status.as_str(),
        listing
            .vin
            .as_ref()
            .map_or(String::new(), ToString::to_string)
    );
    for &field in Details::FIELDS {
        line(listing, field);
    }
    Ok(())
}

fn line(listing: &Listing, field: Field) {
    let Some(value) = listing.details.get(field) else {
        return;
    };
    let mut said = String::new();
    if let Some(origin) = listing.provenance.get(field) {
        said = origin.source.as_str().to_owned();
        for (word, what) in [
            ("by", origin.by.clone()),
            ("file", origin.file.map(|file| file.to_string())),
            ("row", origin.row.map(|row| row.to_string())),
            ("wrote", origin.original.clone()),
            ("over", origin.over.clone()),
        ] {
            if let Some(what) = what {
                said.push_str(&format!(", {word} {what}"));
            }
        }
    }
    let value: String = value.to_string().chars().take(48).collect();
    println!("  {:<22} {value:<48}  {said}", field.name());
}
