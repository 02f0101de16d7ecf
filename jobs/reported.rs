//! What providers report of vehicles, on the units that are those vehicles.

use crate::providers::bucket;
use domain::merge::report;
use domain::{Field, Listing, Source, Value};
use queue::JobError;
use std::collections::{HashMap, HashSet};
use stores::{ContradictionRow, Histories, Listings, PgConnection, Providers, Valuations, Vins};

/// Brings every unit on the lot with one of these VINs up to what is reported of it.
pub(crate) async fn apply(tx: &mut PgConnection, vins: &[String]) -> Result<usize, JobError> {
    let ids = Histories::units(tx, vins).await?;
    Listings::lock(tx, &ids).await?;
    let mut listings = Listings::by_ids(tx, &ids).await?;
    let changed = reported(tx, &mut listings).await?;
    let changed: Vec<Listing> = listings
        .into_iter()
        .filter(|listing| changed.contains(&listing.id))
        .collect();
    Listings::update(tx, &changed, None).await?;
    title_contradictions(tx, &changed).await?;
    Ok(changed.len())
}

/// Where a report's title brand is not the dealer's word.
async fn title_contradictions(tx: &mut PgConnection, listings: &[Listing]) -> Result<(), JobError> {
    let ids: Vec<i64> = listings.iter().map(|listing| listing.id).collect();
    let found: Vec<ContradictionRow> = listings.iter().filter_map(title_contradiction).collect();
    Vins::contradict_field(tx, &ids, Field::TitleBrand.name(), &found).await?;
    Ok(())
}

pub(crate) fn title_contradiction(listing: &Listing) -> Option<ContradictionRow> {
    let (said, reported) = domain::title::contradiction(&listing.details)?;
    Some(ContradictionRow {
        listing_id: listing.id,
        field: Field::TitleBrand.name().to_owned(),
        listing_value: said,
        vin_value: reported,
    })
}

/// Owners, accidents, title brand.
type Past<'a> = (Option<i64>, Option<i64>, Option<&'a str>);

/// Sets what is known of these units' past and worth; the ids of those that changed. Where providers differ the worse word
/// stands: more owners, more accidents, a brand rather than none.
pub(crate) async fn reported(
    tx: &mut PgConnection,
    listings: &mut [Listing],
) -> Result<Vec<i64>, JobError> {
    let vins: Vec<String> = listings
        .iter()
        .filter_map(|listing| listing.vin.as_ref().map(ToString::to_string))
        .collect();
    // Who is disabled has no word any more.
    let silent = Providers::disabled(tx).await?;
    let mut reports = Histories::of(tx, &vins).await?;
    reports.retain(|known| !silent.contains(&known.report.provider));
    let mut worth = Valuations::of(tx, &vins).await?;
    worth.retain(|known| !silent.contains(&known.valuation.provider));
    // The newest word of all providers stands: it is read last.
    worth.sort_by(|a, b| (&a.day, a.said_at).cmp(&(&b.day, b.said_at)));
    let mut past: HashMap<&str, Past<'_>> = HashMap::new();
    for known in &reports {
        let told = &known.report;
        let (owners, accidents, brand) = past.entry(told.vin.as_str()).or_default();
        *owners = (*owners).max(told.owners.map(i64::from));
        *accidents = (*accidents).max(told.accidents.map(i64::from));
        let new = told.title_brand.as_deref();
        if brand.is_none() || domain::title::branded(new) && !domain::title::branded(*brand) {
            *brand = new;
        }
    }
    let mut market: HashMap<(&str, i32), Option<i64>> = HashMap::new();
    for known in &worth {
        let worth = &known.valuation;
        let average = worth.retail_cents.as_ref().and_then(|cents| cents.get(1));
        // Who knows no such vehicle does not take back what another knows of it.
        let of = market.entry((worth.vin.as_str(), worth.odometer_bucket));
        let stands = of.or_default();
        *stands = average.copied().or(*stands);
    }
    let valued: HashSet<&str> = worth.iter().map(|w| w.valuation.vin.as_str()).collect();
    let mut changed = Vec::new();
    for listing in listings {
        let Some(vin) = listing.vin.as_ref().map(ToString::to_string) else {
            continue;
        };
        let mut news = false;
        // Nobody's word is none: what a provider said that is there no more is taken back.
        let (owners, accidents, brand) = past.get(vin.as_str()).copied().unwrap_or_default();
        let brand = brand.map(|brand| Value::Text(brand.to_owned().into()));
        for (field, said) in [
            (Field::Owners, owners.map(Value::Number)),
            (Field::Accidents, accidents.map(Value::Number)),
            (Field::ReportedTitleBrand, brand),
        ] {
            news |= report(listing, field, said, Source::History);
        }
        let miles = listing.details.odometer_km.map(bucket);
        let said = miles.and_then(|miles| market.get(&(vin.as_str(), miles)));
        // Of its worth at other miles the old word stands until there is a new one.
        let nobody = || (!valued.contains(vin.as_str())).then_some(None);
        if let Some(average) = said.copied().or_else(nobody) {
            let average = average.map(Value::Number);
            news |= report(listing, Field::MarketCents, average, Source::Valuation);
        }
        if news {
            changed.push(listing.id);
        }
    }
    Ok(changed)
}
