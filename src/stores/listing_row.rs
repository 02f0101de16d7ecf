//! A listing as a row, there and back.

use domain::{Details, Kind, Listing, Provenance, Status, Vin};
use serde_json::{Value, json};

/// Columns in the order every query names them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct ListingRow {
    pub(crate) id: i64,
    pub(crate) dealer_id: i64,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) stock_number: String,
    pub(crate) vin: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) year: Option<i64>,
    pub(crate) make: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) trim: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) fuel: Option<String>,
    pub(crate) drivetrain: Option<String>,
    pub(crate) transmission: Option<String>,
    pub(crate) engine: Option<String>,
    pub(crate) cylinders: Option<i64>,
    pub(crate) displacement_cc: Option<i64>,
    pub(crate) doors: Option<i64>,
    pub(crate) exterior_color: Option<String>,
    pub(crate) exterior_base_color: Option<String>,
    pub(crate) interior_color: Option<String>,
    pub(crate) interior_base_color: Option<String>,
    pub(crate) condition: Option<String>,
    pub(crate) title_brand: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) price_cents: Option<i64>,
    pub(crate) msrp_cents: Option<i64>,
    pub(crate) price_to_cents: Option<i64>,
    pub(crate) odometer_km: Option<i64>,
    pub(crate) hours: Option<i64>,
    pub(crate) units: Option<i64>,
    pub(crate) owners: Option<i64>,
    pub(crate) accidents: Option<i64>,
    pub(crate) market_cents: Option<i64>,
    pub(crate) reported_title_brand: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) date_in_stock: Option<time::Date>,
    pub(crate) parent_stock_number: Option<String>,
    pub(crate) image_urls: Vec<String>,
    pub(crate) options: Vec<String>,
    pub(crate) provenance: Value,
    pub(crate) version: i64,
}

/// For queries that are put together at run time.
pub(crate) const COLUMNS: &str = "l.id, l.dealer_id, l.kind, l.status, l.stock_number, l.vin, l.serial, l.year, \
    l.make, l.model, l.\"trim\", l.body, l.category, l.fuel, l.drivetrain, l.transmission, l.engine, l.cylinders, \
    l.displacement_cc, l.doors, l.exterior_color, l.exterior_base_color, l.interior_color, l.interior_base_color, l.condition, l.title_brand, l.currency, l.price_cents, \
    l.msrp_cents, l.price_to_cents, l.odometer_km, l.hours, l.units, l.owners, l.accidents, l.market_cents, l.reported_title_brand, l.title, l.description, l.link, l.date_in_stock, l.parent_stock_number, \
    l.image_urls, l.options, l.provenance, l.version";

impl From<ListingRow> for Listing {
    fn from(row: ListingRow) -> Self {
        Self {
            id: row.id,
            dealer_id: row.dealer_id,
            kind: Kind::parse(&row.kind).unwrap_or(Kind::Vehicle),
            status: Status::parse(&row.status).unwrap_or(Status::Removed),
            stock_number: row.stock_number,
            vin: row.vin.and_then(|vin| Vin::parse(&vin).ok()),
            serial: row.serial,
            details: Details {
                year: row.year,
                make: row.make,
                model: row.model,
                trim: row.trim,
                body: row.body,
                category: row.category,
                fuel: row.fuel,
                drivetrain: row.drivetrain,
                transmission: row.transmission,
                engine: row.engine,
                cylinders: row.cylinders,
                displacement_cc: row.displacement_cc,
                doors: row.doors,
                exterior_color: row.exterior_color,
                exterior_base_color: row.exterior_base_color,
                interior_color: row.interior_color,
                interior_base_color: row.interior_base_color,
                condition: row.condition,
                title_brand: row.title_brand,
                currency: row.currency,
                price_cents: row.price_cents,
                msrp_cents: row.msrp_cents,
                price_to_cents: row.price_to_cents,
                odometer_km: row.odometer_km,
                hours: row.hours,
                units: row.units,
                owners: row.owners,
                accidents: row.accidents,
                market_cents: row.market_cents,
                reported_title_brand: row.reported_title_brand,
                title: row.title,
                description: row.description,
                link: row.link,
                date_in_stock: row.date_in_stock.and_then(civil),
                parent_stock_number: row.parent_stock_number,
                image_urls: row.image_urls,
                options: row.options,
            },
            // Written by us; a row from a later version keeps what this one understands.
            provenance: serde_json::from_value(row.provenance)
                .unwrap_or_else(|_| Provenance::default()),
            version: row.version,
        }
    }
}

fn civil(date: time::Date) -> Option<jiff::civil::Date> {
    let (year, month, day) = (
        i16::try_from(date.year()).ok()?,
        u8::from(date.month()),
        date.day(),
    );
    jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// The listing as one object whose keys are columns, for `jsonb_populate_recordset`.
pub(crate) fn record(listing: &Listing) -> Value {
    let mut record = serde_json::to_value(&listing.details).unwrap_or_else(|_| json!({}));
    if let Value::Object(columns) = &mut record {
        columns.insert("id".to_owned(), json!(listing.id));
        columns.insert("dealer_id".to_owned(), json!(listing.dealer_id));
        columns.insert("kind".to_owned(), json!(listing.kind.as_str()));
        columns.insert("status".to_owned(), json!(listing.status.as_str()));
        columns.insert("stock_number".to_owned(), json!(listing.stock_number));
        columns.insert("vin".to_owned(), json!(listing.vin));
        columns.insert("serial".to_owned(), json!(listing.serial));
        columns.insert("provenance".to_owned(), json!(listing.provenance));
    }
    record
}
