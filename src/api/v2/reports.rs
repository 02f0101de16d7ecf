//! What the stock did over time: age, prices, moves, doubles, and what is archived.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use stores::{Archives, Listings, Scope};

pub(crate) struct Reports {
    pub(crate) api: Api,
}

#[derive(Object)]
struct AgingView {
    dealer: String,
    units: i64,
    median_days: i64,
    average_days: i64,
    /// Units of 0 to 30 days.
    to_30: i64,
    /// Of 31 to 60.
    to_60: i64,
    /// Of 61 to 90.
    to_90: i64,
    older: i64,
}

#[derive(Object)]
struct DropView {
    listing: i64,
    dealer: String,
    stock_number: String,
    vin: Option<String>,
    title: String,
    at: String,
    before_cents: i64,
    price_cents: i64,
    /// ISO 4217; a price in another than the one before it is no drop.
    currency: String,
}

#[derive(Object)]
struct UnknownWordView {
    field: String,
    /// As the dealer wrote it.
    word: String,
    units: i64,
    dealers: i64,
    /// One unit that has it.
    stock_number: String,
}

/// A photo's address that leads to none.
#[derive(Object)]
struct LostPhotoView {
    listing: i64,
    dealer: String,
    stock_number: String,
    vin: Option<String>,
    /// Counted from 0.
    place: i32,
    url: String,
    /// `gone`, `refused` or `failed`; what failed is tried again.
    state: String,
    /// Which rule what came breaks.
    rule: Option<String>,
    problem: Option<String>,
    tries: i32,
    tried_at: String,
}

#[derive(Object)]
struct DoubleView {
    /// VIN, or serial.
    number: String,
    listings: Vec<i64>,
    /// Dealer and stock number of each.
    rooftops: Vec<String>,
}

#[derive(Object)]
struct PriceView {
    at: String,
    /// Absent where the unit had none any more.
    price_cents: Option<i64>,
    /// ISO 4217.
    currency: String,
}

#[derive(Object)]
struct MoveView {
    at: String,
    from_dealer: String,
    from_stock_number: String,
    file: Option<i64>,
}

/// What became of one listing, oldest first.
#[derive(Object)]
struct HistoryView {
    prices: Vec<PriceView>,
    /// Under which other numbers and at which other rooftops it stood.
    moves: Vec<MoveView>,
}

/// One stay of a unit at a rooftop.
#[derive(Object)]
struct StayView {
    listing: i64,
    dealer: String,
    stock_number: String,
    vin: Option<String>,
    /// `archived` when it left the hot tables.
    status: String,
    first_seen: Option<String>,
    last_changed: Option<String>,
    /// On the lot.
    days: Option<i64>,
    first_price_cents: Option<i64>,
    /// Of the first price.
    first_currency: Option<String>,
    price_cents: Option<i64>,
    /// ISO 4217.
    currency: Option<String>,
    /// Which archive holds it.
    archive: Option<i64>,
}

#[derive(Object)]
struct ArchivedView {
    archive: i64,
    listing: i64,
    dealer: String,
    stock_number: String,
    vin: Option<String>,
    restored: bool,
}

#[OpenApi]
impl Reports {
    /// How long rooftops' units have been on the lot.
    #[oai(path = "/reports/aging", method = "get", operation_id = "report_aging")]
    async fn report_aging(
        &self,
        key: Key,
        dealer: Query<Option<String>>,
    ) -> Result<Json<Vec<AgingView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Dealers::known(&mut conn, dealer.0.as_deref()).await?;
        let rows = stores::Reports::aging(&mut conn, dealer.0.as_deref()).await?;
        let view = |row: stores::Aging| AgingView {
            dealer: row.dealer,
            units: row.units,
            median_days: row.median_days,
            average_days: row.average_days,
            to_30: row.to_30,
            to_60: row.to_60,
            to_90: row.to_90,
            older: row.older,
        };
        Ok(Json(rows.into_iter().map(view).collect()))
    }

    /// Prices that fell, newest first.
    #[oai(
        path = "/reports/price-drops",
        method = "get",
        operation_id = "report_price_drops"
    )]
    async fn report_price_drops(
        &self,
        key: Key,
        dealer: Query<Option<String>>,
        /// Within so many days; 7 unless told, at most 3660.
        days: Query<Option<i32>>,
        /// By at least so many per cent; any unless told.
        percent: Query<Option<i32>>,
        /// At most 500; 100 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<DropView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Dealers::known(&mut conn, dealer.0.as_deref()).await?;
        let rows = stores::Reports::price_drops(
            &mut conn,
            dealer.0.as_deref(),
            days.0.unwrap_or(7).clamp(1, 3_660),
            percent.0.unwrap_or(0).clamp(0, 100),
            limit.0.unwrap_or(100).clamp(1, 500),
        )
        .await?;
        let view = |row: stores::PriceDrop| DropView {
            listing: row.listing,
            dealer: row.dealer,
            stock_number: row.stock_number,
            vin: row.vin,
            title: row.title,
            at: row.at.to_string(),
            before_cents: row.before_cents,
            price_cents: row.price_cents,
            currency: row.currency,
        };
        Ok(Json(rows.into_iter().map(view).collect()))
    }

    /// Words of units on the lot that no table of ours knows, most used first; a mapping's `words` can say what they mean.
    #[oai(
        path = "/reports/unknown-words",
        method = "get",
        operation_id = "report_unknown_words"
    )]
    async fn report_unknown_words(
        &self,
        key: Key,
        /// The dealer's key; all of them unless told.
        dealer: Query<Option<String>>,
        /// At most 500; 100 unless told.
        limit: Query<Option<usize>>,
    ) -> Result<Json<Vec<UnknownWordView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Dealers::known(&mut conn, dealer.0.as_deref()).await?;
        let found = ::jobs::unknown_words::of_stock(&mut conn, dealer.0.as_deref()).await?;
        let view = |row: stores::FieldValue| UnknownWordView {
            field: row.field,
            word: row.value,
            units: row.units,
            dealers: row.dealers,
            stock_number: row.stock_number,
        };
        let limit = limit.0.unwrap_or(100).clamp(1, 500);
        Ok(Json(found.into_iter().take(limit).map(view).collect()))
    }

    /// Photos of units on the lot that are not there, most recently tried first.
    #[oai(
        path = "/reports/lost-photos",
        method = "get",
        operation_id = "report_lost_photos"
    )]
    async fn report_lost_photos(
        &self,
        key: Key,
        dealer: Query<Option<String>>,
        /// At most 500; 100 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<LostPhotoView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Dealers::known(&mut conn, dealer.0.as_deref()).await?;
        let limit = limit.0.unwrap_or(100).clamp(1, 500);
        let rows = stores::Photos::lost(&mut conn, dealer.0.as_deref(), limit).await?;
        let view = |row: stores::LostPhoto| LostPhotoView {
            listing: row.listing,
            dealer: row.dealer,
            stock_number: row.stock_number,
            vin: row.vin,
            place: row.place,
            url: row.url,
            state: row.state,
            rule: row.rule,
            problem: row.problem,
            tries: row.tries,
            tried_at: row.fetched_at.to_string(),
        };
        Ok(Json(rows.into_iter().map(view).collect()))
    }

    /// VINs and serials that stand on the lot more than once.
    #[oai(
        path = "/reports/doubles",
        method = "get",
        operation_id = "report_doubles"
    )]
    async fn report_doubles(
        &self,
        key: Key,
        /// Those that concern it.
        dealer: Query<Option<String>>,
        /// At most 500; 100 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<DoubleView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Dealers::known(&mut conn, dealer.0.as_deref()).await?;
        let limit = limit.0.unwrap_or(100).clamp(1, 500);
        let rows = stores::Reports::doubles(&mut conn, dealer.0.as_deref(), limit).await?;
        let view = |row: stores::Double| DoubleView {
            number: row.number,
            listings: row.listings,
            rooftops: row.rooftops,
        };
        Ok(Json(rows.into_iter().map(view).collect()))
    }

    /// Prices and moves of a listing.
    #[oai(
        path = "/listings/:id/history",
        method = "get",
        operation_id = "get_listing_history"
    )]
    async fn get_listing_history(
        &self,
        key: Key,
        id: Path<i64>,
    ) -> Result<Json<HistoryView>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let listing = Listings::get(&mut conn, id.0).await?;
        let prices = Listings::prices(&mut conn, listing.id).await?;
        let moves = stores::Reports::moves(&mut conn, listing.id).await?;
        let price = |price: stores::Price| PriceView {
            at: price.at.to_string(),
            price_cents: price.cents,
            currency: price.currency,
        };
        let moved = |row: stores::Move| MoveView {
            at: row.at.to_string(),
            from_dealer: row.dealer,
            from_stock_number: row.stock_number,
            file: row.file,
        };
        Ok(Json(HistoryView {
            prices: prices.into_iter().map(price).collect(),
            moves: moves.into_iter().map(moved).collect(),
        }))
    }

    /// Everywhere a VIN, serial or stock number ever stood, newest first, archived units too.
    #[oai(path = "/stays/:number", method = "get", operation_id = "list_stays")]
    async fn list_stays(
        &self,
        key: Key,
        number: Path<String>,
    ) -> Result<Json<Vec<StayView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let rows = stores::Reports::stays(&mut conn, number.0.trim()).await?;
        let view = |row: stores::Stay| StayView {
            listing: row.listing,
            dealer: row.dealer,
            stock_number: row.stock_number,
            vin: row.vin,
            status: row.status,
            first_seen: row.first_seen.map(|at| at.to_string()),
            last_changed: row.last_changed.map(|at| at.to_string()),
            days: row.days,
            first_price_cents: row.first_price_cents,
            first_currency: row.first_currency,
            price_cents: row.price_cents,
            currency: row.currency,
            archive: row.archive,
        };
        Ok(Json(rows.into_iter().map(view).collect()))
    }

    /// Archived units by VIN or stock number, at most 100. They come back by `restore_listings`, a job.
    #[oai(
        path = "/archived-listings",
        method = "get",
        operation_id = "find_archived_listings"
    )]
    async fn find_archived_listings(
        &self,
        key: Key,
        number: Query<String>,
    ) -> Result<Json<Vec<ArchivedView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let rows = Archives::find(&mut conn, number.0.trim()).await?;
        let view = |row: stores::ArchivedListing| ArchivedView {
            archive: row.archive_id,
            listing: row.listing_id,
            dealer: row.dealer,
            stock_number: row.stock_number,
            vin: row.vin,
            restored: row.restored,
        };
        Ok(Json(rows.into_iter().map(view).collect()))
    }
}
