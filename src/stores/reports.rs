//! What the stock did over time: how long units stand, how prices move, where a unit was, what stands twice.

use crate::error::Res;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

/// One rooftop's stock by age.
#[derive(Clone, Debug, Serialize)]
pub struct Aging {
    pub dealer: String,
    pub units: i64,
    /// Days on the lot, of half of the units at most.
    pub median_days: i64,
    pub average_days: i64,
    /// 0 to 30 days, 31 to 60, 61 to 90, and more.
    pub to_30: i64,
    pub to_60: i64,
    pub to_90: i64,
    pub older: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct PriceDrop {
    pub listing: i64,
    pub dealer: String,
    pub stock_number: String,
    pub vin: Option<String>,
    pub title: String,
    pub at: Timestamp,
    pub before_cents: i64,
    pub price_cents: i64,
    pub currency: String,
}

/// A number that stands on the lot more than once.
#[derive(Clone, Debug, Serialize)]
pub struct Double {
    /// VIN, or serial.
    pub number: String,
    pub listings: Vec<i64>,
    /// Dealer and stock number of each.
    pub rooftops: Vec<String>,
}

/// Whence a unit came.
#[derive(Clone, Debug, Serialize)]
pub struct Move {
    pub at: Timestamp,
    pub dealer: String,
    pub stock_number: String,
    pub file: Option<i64>,
}

/// One stay of a unit at a rooftop.
#[derive(Clone, Debug, Serialize)]
pub struct Stay {
    pub listing: i64,
    pub dealer: String,
    pub stock_number: String,
    pub vin: Option<String>,
    /// `archived` when it left the hot tables, `replaced` when another unit took its number on the lot.
    pub status: String,
    pub first_seen: Option<Timestamp>,
    pub last_changed: Option<Timestamp>,
    pub days: Option<i64>,
    pub first_price_cents: Option<i64>,
    pub first_currency: Option<String>,
    pub price_cents: Option<i64>,
    pub currency: Option<String>,
    pub archive: Option<i64>,
    /// It has ended: the listing stands for another stay by now, or for another unit.
    pub past: bool,
}

pub struct Reports;

impl Reports {
    /// Rooftops with units on the lot, by key; parents are left out. A unit's days count from the day its dealer took it
    /// in, else from the day we saw it first.
    pub async fn aging(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Vec<Aging>> {
        Ok(sqlx::query_file_as!(Aging, "queries/aging.sql", dealer)
            .fetch_all(conn)
            .await?)
    }

    /// Prices that fell by at least so many per cent within so many days, newest first; of units on the lot.
    pub async fn price_drops(
        conn: &mut PgConnection,
        dealer: Option<&str>,
        days: i32,
        percent: i32,
        limit: i64,
    ) -> Res<Vec<PriceDrop>> {
        Ok(
            sqlx::query_file!("queries/price_drops.sql", dealer, days, percent, limit)
                .fetch_all(conn)
                .await?
                .into_iter()
                .map(|row| PriceDrop {
                    listing: row.listing,
                    dealer: row.dealer,
                    stock_number: row.stock_number,
                    vin: row.vin,
                    title: row.title,
                    at: crate::stamp(row.at),
                    before_cents: row.before_cents,
                    price_cents: row.price_cents,
                    currency: row.currency,
                })
                .collect(),
        )
    }

    /// VINs and serials of units on the lot that stand there more than once; with a dealer, those that concern it.
    pub async fn doubles(
        conn: &mut PgConnection,
        dealer: Option<&str>,
        limit: i64,
    ) -> Res<Vec<Double>> {
        Ok(
            sqlx::query_file_as!(Double, "queries/doubles.sql", dealer, limit)
                .fetch_all(conn)
                .await?,
        )
    }

    /// Under which other numbers and at which other rooftops a unit stood, oldest first.
    pub async fn moves(conn: &mut PgConnection, listing: i64) -> Res<Vec<Move>> {
        Ok(sqlx::query!(
            "SELECT m.at, d.key, m.from_stock_number, m.file_id FROM listing_moves m
             JOIN dealers d ON d.id = m.from_dealer_id WHERE m.listing_id = $1 ORDER BY m.at",
            listing
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| Move {
            at: crate::stamp(row.at),
            dealer: row.key,
            stock_number: row.from_stock_number,
            file: row.file_id,
        })
        .collect())
    }

    /// Everywhere a VIN, serial or stock number ever stood, newest first, archived units too.
    pub async fn stays(conn: &mut PgConnection, number: &str) -> Res<Vec<Stay>> {
        let spelt = [
            number.to_owned(),
            number.to_uppercase(),
            number.to_lowercase(),
        ];
        Ok(sqlx::query_file!("queries/stays.sql", number, &spelt)
            .fetch_all(conn)
            .await?
            .into_iter()
            .map(|row| Stay {
                listing: row.listing,
                dealer: row.dealer,
                stock_number: row.stock_number,
                vin: row.vin,
                status: row.status,
                first_seen: row.first_seen.map(crate::stamp),
                last_changed: row.last_changed.map(crate::stamp),
                days: row.days,
                first_price_cents: row.first_price_cents,
                first_currency: row.first_currency,
                price_cents: row.price_cents,
                currency: row.currency,
                archive: row.archive,
                past: row.past,
            })
            .collect())
    }
}
