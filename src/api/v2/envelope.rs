//! A listing as `/v2` shows it.

use domain::{Currency, Details, Listing, Odometer};
use poem_openapi::Object;

#[derive(Object)]
pub(crate) struct Money {
    /// Whole cents.
    cents: i64,
    /// ISO 4217.
    currency: String,
}

#[derive(Object)]
pub(crate) struct Distance {
    /// Whole miles.
    value: i64,
    unit: String,
}

/// One unit of stock.
#[derive(Object)]
pub(crate) struct Envelope {
    pub(crate) id: i64,
    /// `vehicle`, `equipment` or `parent`.
    kind: String,
    status: String,
    dealer: String,
    stock_number: String,
    vin: Option<String>,
    serial: Option<String>,
    year: Option<i64>,
    make: Option<String>,
    model: Option<String>,
    trim: Option<String>,
    body: Option<String>,
    category: Option<String>,
    fuel: Option<String>,
    drivetrain: Option<String>,
    transmission: Option<String>,
    engine: Option<String>,
    cylinders: Option<i64>,
    displacement_cc: Option<i64>,
    doors: Option<i64>,
    exterior_color: Option<String>,
    /// The plain colour: `Black` for `Shadow Black`.
    exterior_base_color: Option<String>,
    interior_color: Option<String>,
    interior_base_color: Option<String>,
    condition: Option<String>,
    title_brand: Option<String>,
    /// The title brand as a history report has it; `title_brand` is the dealer's word.
    reported_title_brand: Option<String>,
    /// Previous owners, as a history report has them.
    owners: Option<i64>,
    accidents: Option<i64>,
    /// What units like this one are offered for, by a valuation.
    market: Option<Money>,
    /// The price as a share of the market's: below 1 it is cheaper. Of prices in US dollars, as valuations are.
    price_to_market: Option<f64>,
    price: Option<Money>,
    msrp: Option<Money>,
    /// The highest price of a parent's units; `price` is the lowest.
    price_to: Option<Money>,
    odometer: Option<Distance>,
    hours: Option<i64>,
    /// How many units a parent stands for.
    units: Option<i64>,
    title: Option<String>,
    description: Option<String>,
    link: Option<String>,
    /// ISO 8601 date.
    date_in_stock: Option<String>,
    parent_stock_number: Option<String>,
    image_urls: Vec<String>,
    options: Vec<String>,
    version: i64,
    /// For each field who set it, from which file and row, and over what.
    #[oai(skip_serializing_if_is_none)]
    provenance: Option<serde_json::Value>,
}

fn money(cents: Option<i64>, currency: Currency) -> Option<Money> {
    cents.map(|cents| Money {
        cents,
        currency: currency.code().to_owned(),
    })
}

/// What valuations are in.
const MARKET: Currency = Currency::USD;

/// In hundredths; no more is known.
fn price_to_market(details: &Details) -> Option<f64> {
    let (price, market) = (details.price_cents, details.market_cents);
    let price = price.filter(|_| details.currency() == MARKET);
    let (price, market) = (price?, market.filter(|market| *market > 0)?);
    let hundredths = (price.saturating_mul(100) + market / 2) / market;
    Some(hundredths as f64 / 100.0)
}

impl Envelope {
    pub(crate) fn new(listing: Listing, dealer: String) -> Self {
        let details = listing.details;
        let currency = details.currency();
        let price_to_market = price_to_market(&details);
        Self {
            id: listing.id,
            kind: listing.kind.as_str().to_owned(),
            status: listing.status.as_str().to_owned(),
            dealer,
            stock_number: listing.stock_number,
            vin: listing.vin.map(String::from),
            serial: listing.serial,
            year: details.year,
            make: details.make,
            model: details.model,
            trim: details.trim,
            body: details.body,
            category: details.category,
            fuel: details.fuel,
            drivetrain: details.drivetrain,
            transmission: details.transmission,
            engine: details.engine,
            cylinders: details.cylinders,
            displacement_cc: details.displacement_cc,
            doors: details.doors,
            exterior_color: details.exterior_color,
            exterior_base_color: details.exterior_base_color,
            interior_color: details.interior_color,
            interior_base_color: details.interior_base_color,
            condition: details.condition,
            title_brand: details.title_brand,
            reported_title_brand: details.reported_title_brand,
            owners: details.owners,
            accidents: details.accidents,
            market: money(details.market_cents, MARKET),
            price_to_market,
            price: money(details.price_cents, currency),
            msrp: money(details.msrp_cents, currency),
            price_to: money(details.price_to_cents, currency),
            odometer: details.odometer_km.map(|km| Distance {
                value: Odometer { km }.miles(),
                unit: "mi".to_owned(),
            }),
            hours: details.hours,
            units: details.units,
            title: details.title,
            description: details.description,
            link: details.link,
            date_in_stock: details.date_in_stock.map(|date| date.to_string()),
            parent_stock_number: details.parent_stock_number,
            image_urls: details.image_urls,
            options: details.options,
            version: listing.version,
            provenance: None,
        }
    }

    pub(crate) fn with_provenance(listing: Listing, dealer: String) -> Self {
        let provenance = serde_json::to_value(&listing.provenance).ok();
        Self {
            provenance,
            ..Self::new(listing, dealer)
        }
    }
}
