//! The older, flat vehicle shape: miles, dollars as a number, one photo list. It may only grow.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use domain::{Kind, Listing, Odometer, Vin};
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, OpenApiService};
use stores::{Dealers, ListingFilter, Listings, Scope};

pub(crate) struct V1 {
    api: Api,
}

pub(crate) fn service(api: &Api) -> OpenApiService<V1, ()> {
    OpenApiService::new(V1 { api: api.clone() }, "Forecourt", "1").server("/v1")
}

/// One vehicle, flat.
#[derive(Object)]
struct Vehicle {
    id: i64,
    dealer: String,
    stock: String,
    vin: Option<String>,
    year: Option<i64>,
    make: Option<String>,
    model: Option<String>,
    trim: Option<String>,
    body: Option<String>,
    color: Option<String>,
    condition: Option<String>,
    /// In `currency`.
    price: Option<f64>,
    /// ISO 4217.
    currency: String,
    miles: Option<i64>,
    photos: Vec<String>,
    description: Option<String>,
}

#[OpenApi]
impl V1 {
    /// The vehicle with this VIN; of several, the one seen first.
    #[oai(path = "/vehicles/:vin", method = "get", operation_id = "get_vehicle")]
    async fn get_vehicle(&self, key: Key, vin: Path<String>) -> Result<Json<Vehicle>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let vin = Vin::parse(&vin.0).map_err(|error| Problem::invalid(error.to_string()))?;
        let mut conn = self.api.app.pool.acquire().await?;
        let filter = ListingFilter {
            kind: Some(Kind::Vehicle),
            vin: Some(vin.to_string()),
            ..ListingFilter::default()
        };
        let listing = Listings::list(&mut conn, &filter, 0, 1).await?.pop();
        let listing = listing.ok_or_else(|| Problem::not_found("vehicle", &vin))?;
        let dealers = Dealers::list(&mut conn).await?;
        let dealer = dealers
            .into_iter()
            .find(|dealer| dealer.id == listing.dealer_id);
        Ok(Json(flat(
            listing,
            dealer.map(|d| d.key).unwrap_or_default(),
        )))
    }
}

fn flat(listing: Listing, dealer: String) -> Vehicle {
    let details = listing.details;
    #[expect(
        clippy::cast_precision_loss,
        reason = "prices are far below 2^53 cents"
    )]
    let price = details.price_cents.map(|cents| cents as f64 / 100.0);
    let currency = details.currency().code().to_owned();
    Vehicle {
        id: listing.id,
        dealer,
        stock: listing.stock_number,
        vin: listing.vin.map(String::from),
        year: details.year,
        make: details.make,
        model: details.model,
        trim: details.trim,
        body: details.body,
        color: details.exterior_color,
        condition: details.condition,
        price,
        currency,
        miles: details.odometer_km.map(|km| Odometer { km }.miles()),
        photos: details.image_urls,
        description: details.description,
    }
}
