//! What providers said of vehicles' past and worth.

use crate::error::Res;
use crate::forgotten::Forgotten;
use crate::providers::Provider;
use crate::stamp;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use std::collections::HashSet;

/// A report as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryReport {
    pub vin: String,
    pub provider: String,
    pub state: ReportState,
    pub owners: Option<i32>,
    pub accidents: Option<i32>,
    pub title_brand: Option<String>,
    pub records: serde_json::Value,
    pub report_url: Option<String>,
    /// The object that has the page as it came.
    pub raw_key: Option<String>,
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    Told,
    /// The provider knows nothing of this vehicle.
    None,
    /// Its page could not be read.
    Drift,
}

impl ReportState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::None => "none",
            Self::Drift => "drift",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "told" => Self::Told,
            "drift" => Self::Drift,
            _ => Self::None,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct KnownReport {
    #[serde(flatten)]
    pub report: HistoryReport,
    pub fetched_at: Timestamp,
}

/// What a vehicle is worth at one mileage, on one day; cents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Valuation {
    pub vin: String,
    pub provider: String,
    /// Thousands of miles.
    pub odometer_bucket: i32,
    pub region: String,
    /// Below the average, the average, above it; nothing when the provider knows no such vehicle.
    pub wholesale_cents: Option<Vec<i64>>,
    pub retail_cents: Option<Vec<i64>>,
    pub sales: i32,
}

#[derive(Clone, Debug, Serialize)]
pub struct KnownValuation {
    #[serde(flatten)]
    pub valuation: Valuation,
    /// ISO 8601.
    pub day: String,
    pub said_at: Timestamp,
}

pub struct Histories;

impl Histories {
    /// Keeps reports, each the newest of its VIN and provider. What a page said stays while its successor cannot be read.
    pub async fn keep(conn: &mut PgConnection, reports: &[HistoryReport]) -> Res<()> {
        let mut sorted: Vec<&HistoryReport> = reports.iter().collect();
        sorted.sort_by(|a, b| (&a.vin, &a.provider).cmp(&(&b.vin, &b.provider)));
        sorted.dedup_by(|a, b| a.vin == b.vin && a.provider == b.provider);
        let rows = serde_json::json!(sorted);
        sqlx::query_file!("queries/keep_reports.sql", rows)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Reports about these VINs, newest first.
    pub async fn of(conn: &mut PgConnection, vins: &[String]) -> Res<Vec<KnownReport>> {
        Ok(sqlx::query!(
            "SELECT vin, provider, state, owners, accidents, title_brand, records, report_url, raw_key, problem, fetched_at
             FROM history_reports WHERE vin = ANY($1) ORDER BY vin, fetched_at DESC, provider",
            vins
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| KnownReport {
            report: HistoryReport {
                vin: row.vin,
                provider: row.provider,
                state: ReportState::parse(&row.state),
                owners: row.owners,
                accidents: row.accidents,
                title_brand: row.title_brand,
                records: row.records,
                report_url: row.report_url,
                raw_key: row.raw_key,
                problem: row.problem,
            },
            fetched_at: stamp(row.fetched_at),
        })
        .collect())
    }

    /// Whether any report is by this name: a provider's, or a badge file's source.
    pub async fn is_told_by(conn: &mut PgConnection, name: &str) -> Res<bool> {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM history_reports WHERE provider = $1) AS "told!""#,
            name
        );
        Ok(found.fetch_one(conn).await?)
    }

    /// How many pages of a provider were found unreadable within a day.
    pub async fn unread_today(conn: &mut PgConnection, provider: &str) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "pages!" FROM history_reports
               WHERE provider = $1 AND state = 'drift' AND fetched_at > now() - interval '1 day'"#,
            provider
        )
        .fetch_one(conn)
        .await?)
    }

    /// Whether a provider told anything of a vehicle, and how many it knew nothing of, counted to a thousand.
    pub async fn known(conn: &mut PgConnection, provider: &str) -> Res<(i64, i64)> {
        let row = sqlx::query!(
            r#"SELECT EXISTS (SELECT 1 FROM history_reports WHERE provider = $1 AND state = 'told')::int::bigint AS "told!",
                (SELECT count(*) FROM (SELECT 1 FROM history_reports WHERE provider = $1 AND state = 'none' LIMIT 1000) n) AS "unknown!""#,
            provider
        )
        .fetch_one(conn)
        .await?;
        Ok((row.told, row.unknown))
    }

    /// Pages of a provider that could not be read, and one that says why.
    pub async fn drifted(conn: &mut PgConnection, provider: &str) -> Res<(i64, Option<String>)> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "pages!", min(vin || ': ' || coalesce(problem, '')) AS example
               FROM history_reports h WHERE provider = $1 AND state = 'drift'
                AND EXISTS (SELECT 1 FROM listings l WHERE l.vin = h.vin AND l.status IN ('available', 'pending'))"#,
            provider
        )
        .fetch_one(conn)
        .await?;
        Ok((row.pages, row.example))
    }

    /// Forgets what was said so many days ago of vehicles that no listing is any more; how much, and the pages that no other
    /// report names, which are the caller's to delete.
    pub async fn forget(conn: &mut PgConnection, days: i32, limit: i64) -> Res<Forgotten> {
        let row = sqlx::query_file!("queries/forget_reports.sql", days, limit)
            .fetch_one(&mut *conn)
            .await?;
        Ok(Forgotten {
            files: (row.reports + row.valuations + row.replaced).unsigned_abs(),
            objects: row.objects,
        })
    }

    /// The ids of units on the lot with one of these VINs.
    pub async fn units(conn: &mut PgConnection, vins: &[String]) -> Res<Vec<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM listings WHERE vin = ANY($1) AND status IN ('available', 'pending') ORDER BY id",
            vins
        )
        .fetch_all(conn)
        .await?)
    }
}

pub struct Valuations;

impl Valuations {
    pub async fn keep(conn: &mut PgConnection, valuations: &[Valuation]) -> Res<()> {
        let rows = serde_json::json!(valuations);
        sqlx::query_file!("queries/keep_valuations.sql", rows)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// What a provider said within its days, for its market: VINs, each with a mileage.
    pub async fn fresh(
        conn: &mut PgConnection,
        provider: &Provider,
        vins: &[String],
    ) -> Res<HashSet<(String, i32)>> {
        let rows = sqlx::query!(
            "SELECT vin, odometer_bucket FROM valuations
             WHERE vin = ANY($2) AND provider = $1 AND region = $3 AND day > current_date - $4::int",
            provider.name,
            vins,
            provider.region(),
            provider.refresh_days
        );
        let rows = rows.fetch_all(conn).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.vin, row.odometer_bucket))
            .collect())
    }

    /// The newest valuation of each provider, VIN and mileage, for the market the provider is asked of. Who knows no such vehicle any
    /// more does not unsay what he told.
    pub async fn of(conn: &mut PgConnection, vins: &[String]) -> Res<Vec<KnownValuation>> {
        Ok(sqlx::query!(
            r#"SELECT DISTINCT ON (vin, provider, odometer_bucket) vin, provider, odometer_bucket, region, wholesale_cents,
                retail_cents, sales, to_char(day, 'YYYY-MM-DD') AS "day!", said_at
               FROM valuations v WHERE vin = ANY($1)
                 AND NOT EXISTS (SELECT 1 FROM providers p WHERE p.name = v.provider
                                 AND coalesce(p.settings->>'region', '') <> v.region)
               ORDER BY vin, provider, odometer_bucket, retail_cents IS NULL, day DESC"#,
            vins
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| KnownValuation {
            valuation: Valuation {
                vin: row.vin,
                provider: row.provider,
                odometer_bucket: row.odometer_bucket,
                region: row.region,
                wholesale_cents: row.wholesale_cents,
                retail_cents: row.retail_cents,
                sales: row.sales,
            },
            day: row.day,
            said_at: stamp(row.said_at),
        })
        .collect())
    }
}
