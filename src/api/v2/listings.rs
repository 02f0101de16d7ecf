//! Listings: get, list, bulk put.

use super::envelope::Envelope;
use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use domain::{Currency, Details, Kind, ListingDraft, Status, UnknownCurrency, Vin};
use poem::Body;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::{Binary, Json};
use poem_openapi::{ApiRequest, Object, OpenApi};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use stores::{Dealers, ListingFilter, Scope};

pub(crate) struct Listings {
    pub(crate) api: Api,
}

#[derive(Object)]
struct ListingPage {
    listings: Vec<Envelope>,
    /// Pass as `after` for the next page; absent on the last.
    next: Option<i64>,
}

#[derive(ApiRequest)]
enum Lines {
    /// One JSON object a line.
    #[oai(content_type = "application/x-ndjson")]
    Ndjson(Binary<Body>),
}

/// What became of each line.
#[derive(Object, Default)]
struct PutReport {
    created: i64,
    updated: i64,
    unchanged: i64,
    rejected: Vec<RejectedLine>,
}

#[derive(Object)]
struct RejectedLine {
    /// Counted from 1.
    line: u64,
    problem: String,
}

/// Lines written in one transaction.
const SLICE: usize = 1_000;

#[OpenApi]
impl Listings {
    /// One listing with its provenance.
    #[oai(path = "/listings/:id", method = "get", operation_id = "get_listing")]
    async fn get_listing(&self, key: Key, id: Path<i64>) -> Result<Json<Envelope>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let listing = stores::Listings::get(&mut conn, id.0).await?;
        let dealer = Dealers::list(&mut conn)
            .await?
            .into_iter()
            .find(|d| d.id == listing.dealer_id);
        Ok(Json(Envelope::with_provenance(
            listing,
            dealer.map(|d| d.key).unwrap_or_default(),
        )))
    }

    /// The units a parent stands for, the prime one first.
    #[oai(
        path = "/listings/:id/units",
        method = "get",
        operation_id = "list_units"
    )]
    async fn list_units(&self, key: Key, id: Path<i64>) -> Result<Json<Vec<Envelope>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let parent = stores::Listings::get(&mut conn, id.0).await?;
        let members = stores::Parents::members(&mut conn, parent.id).await?;
        let mut units = stores::Listings::by_ids(&mut conn, &members).await?;
        units.sort_by_key(|unit| members.iter().position(|id| *id == unit.id));
        let dealer = stores::Parents::dealer_key(&mut conn, parent.dealer_id).await?;
        Ok(Json(
            units
                .into_iter()
                .map(|unit| Envelope::new(unit, dealer.clone()))
                .collect(),
        ))
    }

    /// Listings on the lot, in order of id.
    #[oai(path = "/listings", method = "get", operation_id = "list_listings")]
    async fn list_listings(
        &self,
        key: Key,
        /// `vehicle`, `equipment` or `parent`.
        kind: Query<Option<String>>,
        dealer: Query<Option<String>>,
        vin: Query<Option<String>>,
        stock_number: Query<Option<String>>,
        after: Query<Option<i64>>,
        /// At most 500; 50 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<ListingPage>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let kind = match kind.0.as_deref() {
            None => None,
            Some(word) => Some(
                Kind::parse(word)
                    .ok_or_else(|| Problem::invalid(format!("no kind is called {word:?}")))?,
            ),
        };
        let limit = limit.0.unwrap_or(50).clamp(1, 500);
        let filter = ListingFilter {
            kind,
            dealer: dealer.0,
            vin: vin.0.map(|vin| vin.to_ascii_uppercase()),
            stock_number: stock_number.0,
        };
        let mut conn = self.api.app.pool.acquire().await?;
        let listings =
            stores::Listings::list(&mut conn, &filter, after.0.unwrap_or(0), limit).await?;
        let full = i64::try_from(listings.len()).is_ok_and(|count| count == limit);
        let next = listings.last().filter(|_| full).map(|listing| listing.id);
        let dealers: HashMap<i64, String> = Dealers::list(&mut conn)
            .await?
            .into_iter()
            .map(|d| (d.id, d.key))
            .collect();
        let listings = listings
            .into_iter()
            .map(|listing| {
                let dealer = dealers.get(&listing.dealer_id).cloned().unwrap_or_default();
                Envelope::new(listing, dealer)
            })
            .collect();
        Ok(Json(ListingPage { listings, next }))
    }

    /// Creates or updates listings of one dealer, a JSON object a line: `kind`, `stock_number`,
    /// `vin`, `serial`, `status` and any detail field. A bad line costs the line.
    #[oai(path = "/listings", method = "put", operation_id = "put_listings")]
    async fn put_listings(
        &self,
        key: Key,
        /// The dealer's key.
        dealer: Query<String>,
        lines: Lines,
    ) -> Result<Json<PutReport>, Problem> {
        key.require(&self.api, Scope::Operate).await?;
        let Lines::Ndjson(Binary(body)) = lines;
        let text = body
            .into_string()
            .await
            .map_err(|error| Problem::invalid(error.to_string()))?;
        let dealer = Dealers::find(&mut *self.api.app.pool.acquire().await?, &dealer.0)
            .await?
            .ok_or_else(|| Problem::not_found("dealer", &dealer.0))?;
        let usual = Currency::usual_in(&dealer.country);
        let (mut report, mut drafts, mut seen) = (PutReport::default(), Vec::new(), HashSet::new());
        for (line, text) in (1u64..)
            .zip(text.lines())
            .filter(|(_, text)| !text.trim().is_empty())
        {
            match draft(line, text, &usual) {
                Ok(draft) if seen.insert(draft.stock_number.clone()) => drafts.push(draft),
                Ok(draft) => {
                    let problem = format!(
                        "stock number {} stands on an earlier line",
                        draft.stock_number
                    );
                    report.rejected.push(RejectedLine { line, problem });
                }
                Err(problem) => report.rejected.push(RejectedLine { line, problem }),
            }
        }
        for slice in drafts.chunks(SLICE) {
            let mut tx = self.api.app.pool.begin().await?;
            let done = stores::Listings::upsert(&mut tx, dealer.id, None, slice).await?;
            let orders = jobs::of_new_listings(&done.touched, None)
                .map_err(|error| Problem::invalid(error.to_string()))?;
            queue::Engine::enqueue(&self.api.app.engine, &mut tx, &orders).await?;
            tx.commit().await?;
            report.created += done.created;
            report.updated += done.updated;
            report.unchanged += done.unchanged;
        }
        Ok(Json(report))
    }
}

#[derive(Deserialize)]
struct Line {
    kind: Kind,
    stock_number: String,
    vin: Option<String>,
    serial: Option<String>,
    status: Option<Status>,
    #[serde(flatten)]
    details: Details,
}

/// A key that would be passed over is a mistake: `price` is not `price_cents`.
fn known_key(key: &str) -> Result<(), String> {
    const IDENTITY: [&str; 5] = ["kind", "stock_number", "vin", "serial", "status"];
    match domain::Field::parse(key) {
        _ if IDENTITY.contains(&key) => Ok(()),
        Ok(field) if field.is_reported() => Err(format!("{key}: only providers say it")),
        Ok(field) if Details::FIELDS.contains(&field) => Ok(()),
        _ => Err(format!("{key}: no field of a unit is called so")),
    }
}

/// `usual` is what money is in where the line does not say.
fn draft(
    line: u64,
    text: &str,
    usual: &Result<Currency, UnknownCurrency>,
) -> Result<ListingDraft, String> {
    if text.contains("\\u0000") {
        return Err("the line has a NUL character".to_owned());
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    object.keys().try_for_each(|key| known_key(key))?;
    let mut parsed: Line =
        serde_json::from_value(object.into()).map_err(|error| error.to_string())?;
    let stock_number = parsed.stock_number.trim().to_owned();
    if stock_number.is_empty() || stock_number.len() > 64 {
        return Err("stock_number must have 1 to 64 characters".to_owned());
    }
    if parsed.status == Some(Status::Archived) {
        return Err("status: units are archived by a job, not put so".to_owned());
    }
    if parsed.kind == Kind::Parent || domain::parents::reserved(&stock_number) {
        return Err("parents are put together from their units, not put".to_owned());
    }
    if parsed
        .serial
        .as_ref()
        .is_some_and(|serial| serial.chars().count() > 128)
    {
        return Err("serial must have at most 128 characters".to_owned());
    }
    let vin = match parsed.vin.filter(|vin| !vin.trim().is_empty()) {
        Some(text) => Some(Vin::parse(&text).map_err(|error| error.to_string())?),
        None => None,
    };
    for &field in Details::FIELDS {
        let value = parsed.details.get(field);
        value.map_or(Ok(()), |value| field.judged(&value))?;
    }
    let details = &mut parsed.details;
    let priced = details.price_cents.is_some() || details.msrp_cents.is_some();
    if details.currency.is_none() && priced {
        let usual = usual.as_ref().copied();
        details.set_currency(usual.map_err(|error| format!("currency: {error}"))?);
    } else {
        details.set_currency(details.currency());
    }
    Ok(ListingDraft {
        kind: parsed.kind,
        stock_number,
        vin,
        serial: parsed.serial,
        status: parsed.status,
        details: parsed.details,
        originals: [].into(),
        unread: Vec::new(),
        row: line,
    })
}
