//! VINs: what they decode to, and what is known of a vehicle by its VIN.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use domain::Vin;
use poem_openapi::param::Path;
use poem_openapi::payload::{Attachment, AttachmentType, Json};
use poem_openapi::{Object, OpenApi};
use std::collections::BTreeMap;
use std::sync::Arc;
use stores::{Histories, HistoryReport, KnownReport, KnownValuation, Scope, Valuations};
use vin::{Decoded, Decoder};

pub(crate) struct Vins {
    pub(crate) api: Api,
}

/// Of one call.
const MOST_VINS: usize = 500;

#[derive(Object)]
struct VinsToDecode {
    /// At most 500.
    vins: Vec<String>,
}

/// One of vPIC's error codes.
#[derive(Object)]
struct VinError {
    code: i32,
    words: String,
}

/// What a VIN says, by the offline decoder.
#[derive(Object, Default)]
struct VinCard {
    /// As it was asked.
    vin: String,
    /// Why it is no VIN; then nothing is decoded.
    problem: Option<String>,
    /// What a VIN that is mistyped was perhaps meant to be.
    perhaps: Vec<String>,
    check_digit_ok: bool,
    errors: Vec<VinError>,
    year: Option<i64>,
    make: Option<String>,
    model: Option<String>,
    trim: Option<String>,
    body: Option<String>,
    fuel: Option<String>,
    drivetrain: Option<String>,
    transmission: Option<String>,
    cylinders: Option<i64>,
    displacement_cc: Option<i64>,
    doors: Option<i64>,
    /// The data and the rules that it was decoded with.
    decoder: String,
}

/// A service, or a reading of the odometer.
#[derive(Object)]
struct RecordView {
    /// ISO 8601.
    date: Option<String>,
    odometer_miles: Option<i64>,
    what: String,
}

/// What one provider reports of a vehicle's past.
#[derive(Object)]
struct ReportView {
    provider: String,
    /// `told`, `none` when the provider knows nothing of it, or `drift` when its page could not be read.
    state: String,
    owners: Option<i32>,
    accidents: Option<i32>,
    title_brand: Option<String>,
    records: Vec<RecordView>,
    report_url: Option<String>,
    problem: Option<String>,
    fetched_at: String,
}

/// What a vehicle is worth at one mileage; cents.
#[derive(Object)]
struct ValuationView {
    provider: String,
    /// Thousands of miles.
    odometer_bucket: i32,
    region: String,
    /// ISO 8601.
    day: String,
    /// Below the average, the average, above it.
    wholesale_cents: Option<Vec<i64>>,
    retail_cents: Option<Vec<i64>>,
    /// What it was reckoned from.
    sales: i32,
}

/// Everything that is known of a vehicle.
#[derive(Object)]
struct VehicleView {
    decoded: VinCard,
    /// What the decoder's API said where the offline data were not enough, by its own names.
    api: Option<BTreeMap<String, String>>,
    api_errors: Option<String>,
    api_at: Option<String>,
    reports: Vec<ReportView>,
    valuations: Vec<ValuationView>,
    /// Units on the lot.
    listings: Vec<i64>,
}

#[OpenApi]
impl Vins {
    /// Decodes VINs offline; one answer each, in order, also for what is no VIN.
    #[oai(path = "/vins/decode", method = "post", operation_id = "decode_vins")]
    async fn decode_vins(
        &self,
        key: Key,
        asked: Json<VinsToDecode>,
    ) -> Result<Json<Vec<VinCard>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let vins = asked.0.vins;
        if vins.is_empty() || vins.len() > MOST_VINS {
            let message = format!("vins: {} are asked, 1 to {MOST_VINS} may be", vins.len());
            return Err(Problem::invalid(message));
        }
        let decoder = self.decoder().await?;
        let cards = tokio::task::spawn_blocking(move || {
            vins.iter().map(|text| card(&decoder, text)).collect()
        });
        Ok(Json(cards.await.map_err(|_| Problem::internal())?))
    }

    /// Everything that is known of a vehicle by its VIN: decoded, its past, its worth, where it stands.
    #[oai(path = "/vins/:vin", method = "get", operation_id = "get_vehicle")]
    async fn get_vehicle(&self, key: Key, vin: Path<String>) -> Result<Json<VehicleView>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let decoder = self.decoder().await?;
        let vin = Vin::parse(&vin.0).map_err(|error| {
            let perhaps = vin::suggestions(&decoder, &vin.0);
            Problem::invalid(match perhaps.first() {
                Some(meant) => format!("{error}; perhaps {meant} is meant"),
                None => error.to_string(),
            })
        })?;
        let vins = [vin.to_string()];
        let decoded = tokio::task::spawn_blocking(move || card(&decoder, vin.as_str()));
        let decoded = decoded.await.map_err(|_| Problem::internal())?;
        let mut conn = self.api.app.pool.acquire().await?;
        let [vin] = &vins;
        let known = stores::Vins::find(&mut conn, vin).await?;
        let reports = Histories::of(&mut conn, &vins).await?;
        let valuations = Valuations::of(&mut conn, &vins).await?;
        let listings = Histories::units(&mut conn, &vins).await?;
        let api = known.as_ref().and_then(|known| known.api.clone());
        Ok(Json(VehicleView {
            decoded,
            api: api.and_then(|values| serde_json::from_value(values).ok()),
            api_errors: known.as_ref().and_then(|known| known.api_errors.clone()),
            api_at: known
                .and_then(|known| known.api_at)
                .map(|at| at.to_string()),
            reports: reports.into_iter().map(Into::into).collect(),
            valuations: valuations.into_iter().map(Into::into).collect(),
            listings,
        }))
    }

    /// The page of a vehicle's history as it came from a provider: what was read of it can be held against it.
    #[oai(
        path = "/vins/:vin/reports/:provider/page",
        method = "get",
        operation_id = "download_report_page"
    )]
    async fn download_report_page(
        &self,
        key: Key,
        vin: Path<String>,
        provider: Path<String>,
    ) -> Result<Attachment<Vec<u8>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let vin = Vin::parse(&vin.0).map_err(|error| Problem::invalid(error.to_string()))?;
        let page = ::jobs::providers::page_of(&self.api.app, vin.as_str(), &provider.0).await?;
        // Of somebody else's making: to be kept, not to be shown.
        Ok(Attachment::new(page)
            .attachment_type(AttachmentType::Attachment)
            .filename(format!("report-{vin}.html")))
    }
}

impl Vins {
    async fn decoder(&self) -> Result<Arc<Decoder>, Problem> {
        let decoder = self.api.app.decoder().await;
        decoder.map_err(|error| crate::problem::failed(&error))
    }
}

fn card(decoder: &Decoder, text: &str) -> VinCard {
    let mut perhaps = vin::suggestions(decoder, text);
    let vin = match Vin::parse(text) {
        Ok(vin) => vin,
        Err(error) => {
            return VinCard {
                vin: text.chars().take(40).collect(),
                problem: Some(error.to_string()),
                perhaps,
                ..VinCard::default()
            };
        }
    };
    let Decoded {
        vin,
        decoder,
        errors,
        check_digit_ok,
        suggested,
        facts,
    } = decoder.decode(&vin);
    perhaps.extend(suggested);
    perhaps.dedup();
    let errors = errors.into_iter().map(|code| VinError {
        code,
        words: vin::errors::words(code).to_owned(),
    });
    VinCard {
        vin,
        problem: None,
        perhaps,
        check_digit_ok,
        errors: errors.collect(),
        year: facts.year,
        make: facts.make,
        model: facts.model,
        trim: facts.trim,
        body: facts.body,
        fuel: facts.fuel,
        drivetrain: facts.drivetrain,
        transmission: facts.transmission,
        cylinders: facts.cylinders,
        displacement_cc: facts.displacement_cc,
        doors: facts.doors,
        decoder,
    }
}

impl From<KnownReport> for ReportView {
    fn from(known: KnownReport) -> Self {
        let HistoryReport {
            provider,
            state,
            owners,
            accidents,
            title_brand,
            records,
            report_url,
            problem,
            ..
        } = known.report;
        let records = records.as_array().cloned().unwrap_or_default();
        let text = |record: &serde_json::Value, name: &str| {
            record
                .get(name)
                .and_then(|value| value.as_str())
                .map(ToOwned::to_owned)
        };
        Self {
            provider,
            state: state.as_str().to_owned(),
            owners,
            accidents,
            title_brand,
            records: records
                .iter()
                .map(|record| RecordView {
                    date: text(record, "date"),
                    odometer_miles: record
                        .get("odometer_miles")
                        .and_then(serde_json::Value::as_i64),
                    what: text(record, "what").unwrap_or_default(),
                })
                .collect(),
            report_url,
            problem,
            fetched_at: known.fetched_at.to_string(),
        }
    }
}

impl From<KnownValuation> for ValuationView {
    fn from(known: KnownValuation) -> Self {
        let worth = known.valuation;
        Self {
            provider: worth.provider,
            odometer_bucket: worth.odometer_bucket,
            region: worth.region,
            day: known.day,
            wholesale_cents: worth.wholesale_cents,
            retail_cents: worth.retail_cents,
            sales: worth.sales,
        }
    }
}
