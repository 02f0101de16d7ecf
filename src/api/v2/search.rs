//! Faceted search: open to everyone.

use super::envelope::Envelope;
use crate::Api;
use crate::index_tailer::kind_of;
use crate::problem::Problem;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use search::{Cursor, Facet, Number, Range, Sort, SortKey};
use std::collections::{BTreeMap, HashMap};
use stores::{Dealers, Listings};

pub(crate) struct Search {
    pub(crate) api: Api,
}

#[derive(Object)]
struct SearchAnswer {
    /// All that match, however many are shown.
    total: u64,
    listings: Vec<Envelope>,
    /// Pass as `after` for the next page; absent on the last.
    next: Option<String>,
    /// By facet: values with their counts, as if the facet itself were not filtered by.
    facets: BTreeMap<String, Vec<FacetValue>>,
}

#[derive(Object)]
struct FacetValue {
    value: String,
    count: u64,
}

#[OpenApi]
impl Search {
    /// Search the stock. Case does not matter. Values of one facet are separated by commas and widen; facets narrow.
    /// Ranges are `low-high`, either side may be missing.
    #[expect(
        clippy::too_many_arguments,
        reason = "one query parameter each; the document lists them"
    )]
    #[oai(path = "/search/:stock", method = "get", operation_id = "search_stock")]
    async fn search_stock(
        &self,
        /// `vehicles`, `equipment` or `parents`.
        stock: Path<String>,
        /// Every word must match.
        q: Query<Option<String>>,
        make: Query<Option<String>>,
        model: Query<Option<String>>,
        trim: Query<Option<String>>,
        year: Query<Option<String>>,
        body: Query<Option<String>>,
        category: Query<Option<String>>,
        fuel: Query<Option<String>>,
        drivetrain: Query<Option<String>>,
        transmission: Query<Option<String>>,
        exterior_color: Query<Option<String>>,
        /// The plain colour: `Black` for `Shadow Black`.
        exterior_base_color: Query<Option<String>>,
        condition: Query<Option<String>>,
        dealer: Query<Option<String>>,
        /// ISO 4217: what a price is in. Bounds and sorting by price compare numbers, so stock of several countries wants one.
        currency: Query<Option<String>>,
        /// In hundredths of the unit's currency.
        price_cents_range: Query<Option<String>>,
        odometer_km_range: Query<Option<String>>,
        hours_range: Query<Option<String>>,
        year_range: Query<Option<String>>,
        /// Names of facets to count, separated by commas.
        facets: Query<Option<String>>,
        /// Values per facet; 20 unless told.
        facet_limit: Query<Option<usize>>,
        /// `id`, `price_cents`, `odometer_km`, `hours` or `model_year`, with `:desc` for falling.
        sort: Query<Option<String>>,
        after: Query<Option<String>>,
        /// At most 100; 24 unless told.
        limit: Query<Option<usize>>,
    ) -> Result<Json<SearchAnswer>, Problem> {
        let kind = kind_of(&stock.0).ok_or_else(|| Problem::not_found("search", &stock.0))?;
        if !self.api.search.ready() {
            return Err(Problem::not_ready("the search index is being built"));
        }
        let mut query = search::Query::new(kind);
        query.text = q.0.unwrap_or_default();
        let filters = [
            (Facet::Make, make),
            (Facet::Model, model),
            (Facet::Trim, trim),
            (Facet::Year, year),
            (Facet::Body, body),
            (Facet::Category, category),
            (Facet::Fuel, fuel),
            (Facet::Drivetrain, drivetrain),
            (Facet::Transmission, transmission),
            (Facet::ExteriorColor, exterior_color),
            (Facet::ExteriorBaseColor, exterior_base_color),
            (Facet::Condition, condition),
            (Facet::Dealer, dealer),
            (Facet::Currency, currency),
        ];
        for (facet, values) in filters {
            if let Some(values) = values.0 {
                query.filters.insert(facet, split(&values));
            }
        }
        let ranges = [
            (Number::PriceCents, price_cents_range),
            (Number::OdometerKm, odometer_km_range),
            (Number::Hours, hours_range),
            (Number::ModelYear, year_range),
        ];
        for (number, text) in ranges {
            if let Some(text) = text.0 {
                query.ranges.insert(number, range(&text)?);
            }
        }
        for name in split(facets.0.as_deref().unwrap_or_default()) {
            let facet = Facet::parse(&name)
                .ok_or_else(|| Problem::invalid(format!("no facet is called {name:?}")))?;
            if !query.facets.contains(&facet) {
                query.facets.push(facet);
            }
        }
        query.facet_limit = facet_limit.0.unwrap_or(20).clamp(1, 1_000);
        query.limit = limit.0.unwrap_or(24).clamp(1, 100);
        query.sort = sorted(sort.0.as_deref().unwrap_or("id"))?;
        query.after = match after.0 {
            Some(text) => {
                Some(Cursor::decode(&text).map_err(|error| Problem::invalid(error.to_string()))?)
            }
            None => None,
        };
        let answer = self.api.search.index.snapshot().answer(&query);
        let listings = self.hydrate(&answer.hits).await?;
        Ok(Json(SearchAnswer {
            total: answer.total as u64,
            listings,
            next: answer.next.map(Cursor::encode),
            facets: answer
                .facets
                .into_iter()
                .map(|(facet, values)| {
                    let values = values
                        .into_iter()
                        .map(|v| FacetValue {
                            value: v.value,
                            count: v.count as u64,
                        })
                        .collect();
                    (facet.name().to_owned(), values)
                })
                .collect(),
        }))
    }
}

impl Search {
    /// The rows of the hits, in the order of the hits.
    async fn hydrate(&self, hits: &[i64]) -> Result<Vec<Envelope>, Problem> {
        let mut conn = self.api.app.pool.acquire().await?;
        let dealers: HashMap<i64, String> = Dealers::list(&mut conn)
            .await?
            .into_iter()
            .map(|d| (d.id, d.key))
            .collect();
        let mut found: HashMap<i64, domain::Listing> = Listings::by_ids(&mut conn, hits)
            .await?
            .into_iter()
            .map(|l| (l.id, l))
            .collect();
        Ok(hits
            .iter()
            .filter_map(|id| found.remove(id))
            .map(|listing| {
                let dealer = dealers.get(&listing.dealer_id).cloned().unwrap_or_default();
                Envelope::new(listing, dealer)
            })
            .collect())
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

fn range(text: &str) -> Result<Range, Problem> {
    let invalid = || {
        Problem::invalid(format!(
            "{text:?} is not a range like 100-200, 100- or -200"
        ))
    };
    let (low, high) = text.split_once('-').ok_or_else(invalid)?;
    let bound = |side: &str, open: i64| {
        if side.trim().is_empty() {
            Ok(open)
        } else {
            side.trim().parse().map_err(|_| invalid())
        }
    };
    Ok(Range {
        low: bound(low, 0)?,
        high: bound(high, i64::MAX)?,
    })
}

fn sorted(text: &str) -> Result<Sort, Problem> {
    let (name, direction) = text.split_once(':').unwrap_or((text, "asc"));
    let invalid = || {
        Problem::invalid(format!(
            "{text:?} is not a sort like price_cents or price_cents:desc"
        ))
    };
    let key = match name {
        "id" => SortKey::Id,
        name => SortKey::Number(Number::parse(name).ok_or_else(invalid)?),
    };
    let descending = match direction {
        "asc" => false,
        "desc" => true,
        _ => return Err(invalid()),
    };
    Ok(Sort { key, descending })
}
