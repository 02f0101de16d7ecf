//! `bench search`: faceted questions in process, and the same to PostgreSQL.

use super::{Server, options, peak_rss_mb, print, quantile};
use anyhow::{Result, ensure};
use domain::{Details, Kind, Listing, Provenance, Status};
use search::{Document, Facet, Index, Number, Query, Range, Sort, SortKey};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use stores::measure;

#[derive(Debug, clap::Args)]
pub(super) struct Search {
    #[arg(long, default_value_t = 1_000_000)]
    listings: usize,
    /// Also put the same questions to PostgreSQL, by GROUPING SETS
    #[arg(long)]
    postgres: bool,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Figures {
    listings: usize,
    p50_ms: f64,
    p99_ms: f64,
    /// Questions a second on two threads.
    qps_2: f64,
    rss_mb: f64,
    build_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    postgres_p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postgres_p99_ms: Option<f64>,
}

/// SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const MAKES: u64 = 40;
const BODIES: [&str; 8] = [
    "SUV",
    "Sedan",
    "Truck",
    "Coupe",
    "Wagon",
    "Van",
    "Hatchback",
    "Convertible",
];
const FUELS: [&str; 5] = ["Gasoline", "Diesel", "Hybrid", "Electric", "Flex Fuel"];
const DRIVES: [&str; 4] = ["FWD", "AWD", "RWD", "4WD"];
const COLORS: [&str; 10] = [
    "Black", "White", "Gray", "Silver", "Blue", "Red", "Green", "Brown", "Beige", "Gold",
];

/// The n-th unit; few values are frequent and many rare, as in real stock.
fn listing(n: usize) -> Listing {
    let seed = mix(n as u64);
    let roll = |salt: u64, sides: u64| mix(seed ^ salt) % sides;
    let skewed = |salt: u64, sides: u64| roll(salt, sides) * roll(salt + 1, sides) / sides;
    let pick = |salt: u64, of: &[&str]| {
        let place = usize::try_from(skewed(salt, of.len() as u64)).unwrap_or(0);
        of.get(place).map(|word| (*word).to_owned())
    };
    let number = |value: u64| i64::try_from(value).ok();
    let (make, model) = (skewed(1, MAKES), skewed(3, 12));
    Listing {
        id: i64::try_from(n).unwrap_or(0) + 1,
        dealer_id: 1,
        kind: Kind::Vehicle,
        status: Status::Available,
        stock_number: format!("S{n}"),
        vin: None,
        serial: None,
        details: Details {
            make: Some(format!("Make {make}")),
            model: Some(format!("Model {make}-{model}")),
            trim: Some(format!("Trim {}", roll(5, 9))),
            year: number(2004 + roll(6, 22)),
            body: pick(7, &BODIES),
            fuel: pick(9, &FUELS),
            drivetrain: pick(11, &DRIVES),
            transmission: pick(13, &["Automatic", "CVT", "Manual"]),
            exterior_base_color: pick(15, &COLORS),
            condition: pick(17, &["Used", "New", "Certified"]),
            price_cents: number((5_000 + roll(19, 70_000)) * 100),
            odometer_km: number(roll(20, 250_000)),
            ..Details::default()
        },
        provenance: Provenance::default(),
        version: 1,
    }
}

fn dealer(n: usize) -> String {
    format!("dealer-{}", mix(n as u64 ^ 77) % 3_000)
}

const FACETS: [Facet; 10] = [
    Facet::Make,
    Facet::Model,
    Facet::Year,
    Facet::Body,
    Facet::Fuel,
    Facet::Drivetrain,
    Facet::Transmission,
    Facet::ExteriorBaseColor,
    Facet::Condition,
    Facet::Dealer,
];

/// Twenty questions, from everything to nearly nothing, each with the SQL that asks the same.
fn questions() -> Vec<(Query, String)> {
    let mut all = Vec::new();
    for n in 0..20u64 {
        let mut query = Query::new(Kind::Vehicle);
        query.facets = FACETS.to_vec();
        query.sort = Sort {
            key: SortKey::Number(Number::PriceCents),
            descending: n % 3 == 0,
        };
        let mut sql = vec!["true".to_owned()];
        let mut filter = |facet: Facet, column: &str, value: String| {
            sql.push(format!("{column} = '{value}'"));
            query.filters.entry(facet).or_default().push(value);
        };
        if n % 4 > 0 {
            filter(Facet::Make, "make", format!("Make {}", n % MAKES));
        }
        if n % 5 == 2 {
            filter(Facet::Body, "body", "SUV".to_owned());
        }
        if n % 5 == 3 {
            filter(Facet::Drivetrain, "drivetrain", "AWD".to_owned());
        }
        if n % 7 == 4 {
            filter(Facet::Model, "model", format!("Model {}-1", n % MAKES));
        }
        if n % 3 == 1 {
            let (low, high) = (
                1_000_000,
                1_000_000 + i64::try_from(n).unwrap_or(0) * 200_000,
            );
            sql.push(format!("price BETWEEN {low} AND {high}"));
            query.ranges.insert(Number::PriceCents, Range { low, high });
        }
        all.push((query, sql.join(" AND ")));
    }
    all
}

impl Search {
    pub(super) async fn run(self, data_dir: &Path) -> Result<()> {
        ensure!(self.listings > 0, "--listings must be above 0");
        let index = Index::default();
        let documents: Vec<Document> = (0..self.listings)
            .map(|n| Document::of(&listing(n), &dealer(n)))
            .collect();
        let begun = Instant::now();
        index.load(documents, 0);
        let build_s = begun.elapsed().as_secs_f64();
        let questions = questions();
        let ask = |rounds: usize| {
            let snapshot = index.snapshot();
            let mut times = Vec::new();
            for (query, _) in questions.iter().cycle().take(questions.len() * rounds) {
                let begun = Instant::now();
                std::hint::black_box(snapshot.answer(query));
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            times
        };
        ask(1);
        let times = ask(10);
        let begun = Instant::now();
        let asked: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| ask(10).len())).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .sum()
        });
        let qps_2 = asked as f64 / begun.elapsed().as_secs_f64();
        let rss_mb = peak_rss_mb()?;
        drop(index);
        let postgres = match self.postgres {
            true => Some(self.ask_postgres(data_dir, &questions).await?),
            false => None,
        };
        let figures = Figures {
            listings: self.listings,
            p50_ms: quantile(&times, 0.5),
            p99_ms: quantile(&times, 0.99),
            qps_2,
            rss_mb,
            build_s,
            postgres_p50_ms: postgres.as_ref().map(|times| quantile(times, 0.5)),
            postgres_p99_ms: postgres.as_ref().map(|times| quantile(times, 0.99)),
        };
        let words = format!(
            "{} listings: p50 {:.2} ms, p99 {:.2} ms, {:.0} questions/s on two threads, built in {:.1} s, {:.0} MB at most",
            self.listings, figures.p50_ms, figures.p99_ms, qps_2, build_s, rss_mb
        );
        print(&words, &figures, self.json)
    }

    async fn ask_postgres(
        &self,
        data_dir: &Path,
        questions: &[(Query, String)],
    ) -> Result<Vec<f64>> {
        let mut lines = String::new();
        for n in 0..self.listings {
            let details = listing(n).details;
            let text = |value: Option<String>| value.unwrap_or_else(|| "\\N".to_owned());
            let number = |value: Option<i64>| value.map_or("\\N".to_owned(), |n| n.to_string());
            let cells = [
                (n + 1).to_string(),
                text(details.make),
                text(details.model),
                number(details.year),
                text(details.body),
                text(details.fuel),
                text(details.drivetrain),
                text(details.transmission),
                text(details.exterior_base_color),
                text(details.condition),
                dealer(n),
                number(details.price_cents),
                number(details.odometer_km),
            ];
            lines.push_str(&cells.join("\t"));
            lines.push('\n');
        }
        let server = Server::find(data_dir).await?;
        server
            .in_a_database(async |url| {
                let pool = stores::connect(&url, &options("forecourt bench", |o| o)).await?;
                let mut conn = pool.acquire().await?;
                measure::search_table(&mut conn, lines.as_bytes()).await?;
                let mut times = Vec::new();
                for round in 0..3 {
                    for (_, filter) in questions {
                        let seconds = measure::grouping_sets(&mut conn, filter).await?;
                        // The first round warms its cache.
                        if round > 0 {
                            times.push(seconds * 1e3);
                        }
                    }
                }
                drop(conn);
                pool.close().await;
                times.sort_by(f64::total_cmp);
                Ok(times)
            })
            .await
    }
}
