//! `reports`: what the stock did over time: age, price drops, doubles, and everywhere a unit stood.

use anyhow::Result;
use domain::Money;
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use stores::{Histories, PgConnection, Reports as Told, Valuations};

#[derive(Debug, clap::Args)]
pub(super) struct Reports {
    #[command(subcommand)]
    what: What,
    /// One JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// How long each rooftop's units have been on the lot
    Aging {
        #[arg(long)]
        dealer: Option<String>,
    },
    /// Prices that fell, newest first
    Drops {
        #[arg(long)]
        dealer: Option<String>,
        /// Within so many days
        #[arg(long, default_value_t = 7)]
        days: i32,
        /// By at least so many per cent
        #[arg(long, default_value_t = 0)]
        percent: i32,
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// VINs and serials that stand on the lot more than once
    Doubles {
        /// Those that concern it
        #[arg(long)]
        dealer: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Photos of units on the lot that are not there, most recently tried first
    Photos {
        #[arg(long)]
        dealer: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Everywhere a VIN, serial or stock number ever stood, its prices, and whence it came; what providers said of it
    Unit { number: String },
    /// The page of a vehicle's history as it came from a provider
    Page { vin: String, provider: String },
}

impl Reports {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        let platform = super::connect(data_dir).await?;
        let mut conn = platform.app.pool.acquire().await?;
        let json = self.json;
        match self.what {
            What::Aging { dealer } => {
                if !json {
                    println!(
                        "{:<24} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7}",
                        "dealer", "units", "median", "average", "to 30", "to 60", "to 90", "older"
                    );
                }
                stores::Dealers::known(&mut conn, dealer.as_deref()).await?;
                for row in Told::aging(&mut conn, dealer.as_deref()).await? {
                    let words = format!(
                        "{:<24} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7}",
                        row.dealer,
                        row.units,
                        row.median_days,
                        row.average_days,
                        row.to_30,
                        row.to_60,
                        row.to_90,
                        row.older
                    );
                    line(&row, &words, json)?;
                }
            }
            What::Drops {
                dealer,
                days,
                percent,
                limit,
            } => {
                let (days, percent) = (days.clamp(1, 3_660), percent.clamp(0, 100));
                let limit = limit.clamp(1, 100_000);
                let dealer = dealer.as_deref();
                stores::Dealers::known(&mut conn, dealer).await?;
                let rows = Told::price_drops(&mut conn, dealer, days, percent, limit).await?;
                super::more_than(limit, rows.len());
                for row in rows {
                    let words = format!(
                        "{}  {:<20} {:<16} {:>12} -> {:>10}  {}",
                        row.at,
                        row.dealer,
                        row.stock_number,
                        Money::shown(Some(row.before_cents), &row.currency),
                        Money::shown(Some(row.price_cents), &row.currency),
                        row.title
                    );
                    line(&row, &words, json)?;
                }
            }
            What::Doubles { dealer, limit } => {
                let limit = limit.clamp(1, 100_000);
                stores::Dealers::known(&mut conn, dealer.as_deref()).await?;
                let rows = Told::doubles(&mut conn, dealer.as_deref(), limit).await?;
                super::more_than(limit, rows.len());
                for row in rows {
                    let words = format!("{:<20} {}", row.number, row.rooftops.join(", "));
                    line(&row, &words, json)?;
                }
            }
            What::Photos { dealer, limit } => {
                let limit = limit.clamp(1, 100_000);
                stores::Dealers::known(&mut conn, dealer.as_deref()).await?;
                let rows = stores::Photos::lost(&mut conn, dealer.as_deref(), limit).await?;
                super::more_than(limit, rows.len());
                for row in rows {
                    let words = format!(
                        "{:<20} {:<16} {:<8} {}  {}",
                        row.dealer,
                        row.stock_number,
                        row.state,
                        row.url,
                        row.problem.as_deref().unwrap_or_default()
                    );
                    line(&row, &words, json)?;
                }
            }
            What::Unit { number } => {
                let stays = Told::stays(&mut conn, number.trim()).await?;
                if stays.is_empty() && !json {
                    println!("no unit has, or had, the number {:?}", number.trim());
                }
                let mut vins: Vec<String> =
                    stays.iter().filter_map(|row| row.vin.clone()).collect();
                vins.push(number.trim().to_uppercase());
                vins.sort_unstable();
                vins.dedup();
                for row in stays {
                    let prices = format!(
                        "{} -> {}",
                        Money::shown(
                            row.first_price_cents,
                            row.first_currency.as_deref().unwrap_or("USD")
                        ),
                        Money::shown(row.price_cents, row.currency.as_deref().unwrap_or("USD"))
                    );
                    let archive = row.archive.map(|id| format!("archive {id}"));
                    let words = format!(
                        "listing {:>8}  {:<20} {:<16} {:<10} {:>5} days  {prices}  {}",
                        row.listing,
                        row.dealer,
                        row.stock_number,
                        row.status,
                        row.days.map_or("-".to_owned(), |days| days.to_string()),
                        archive.unwrap_or_default()
                    );
                    line(&row, &words, json)?;
                    for moved in Told::moves(&mut conn, row.listing).await? {
                        let words = format!(
                            "    {}  came from {} {}",
                            moved.at, moved.dealer, moved.stock_number
                        );
                        line(&moved, &words, json)?;
                    }
                }
                told_of(&mut conn, &vins, json).await?;
            }
            What::Page { vin, provider } => {
                drop(conn);
                let page = jobs::providers::page_of(&platform.app, &vin, &provider).await?;
                std::io::stdout().write_all(&page)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What providers said of vehicles' past and worth.
async fn told_of(conn: &mut PgConnection, vins: &[String], json: bool) -> Result<()> {
    for known in Histories::of(conn, vins).await? {
        let told = &known.report;
        let number = |n: Option<i32>| n.map_or("?".to_owned(), |n| n.to_string());
        let words = format!(
            "history by {:<16} {:<6} {} owners, {} accidents, title {}  {}{}",
            told.provider,
            told.state.as_str(),
            number(told.owners),
            number(told.accidents),
            told.title_brand.as_deref().unwrap_or("?"),
            known.fetched_at,
            told.problem
                .as_deref()
                .map(|why| format!("  {why}"))
                .unwrap_or_default()
        );
        line(&known, &words, json)?;
    }
    for known in Valuations::of(conn, vins).await? {
        let worth = &known.valuation;
        let average = |cents: &Option<Vec<i64>>| {
            let cents = cents.as_ref().and_then(|cents| cents.get(1));
            Money::shown(cents.copied(), "USD")
        };
        let words = format!(
            "worth by {:<18} {} thousand miles: wholesale {}, retail {}  {}",
            worth.provider,
            worth.odometer_bucket,
            average(&worth.wholesale_cents),
            average(&worth.retail_cents),
            known.day
        );
        line(&known, &words, json)?;
    }
    Ok(())
}

fn line(row: &impl Serialize, words: &str, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(row)?);
    } else {
        println!("{words}");
    }
    Ok(())
}
