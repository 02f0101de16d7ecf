//! Ask what vehicles are worth, many a call.
//!
//! Starts: `decode_vins`, for units whose worth at their mileage is not known; itself, while more is due; its schedule, for
//! what is old: until then the old worth stands.
//! Reads: `enrichment_due`, `listings`, the provider. Writes: `valuations`, the market's price on `listings`.
//! Twice: what was answered is due no more, and a day has one worth.

use crate::App;
use crate::batch::{Batch, narrowed};
use crate::enrichment::{self, Asking, refresh};
use crate::providers::{bucket, secret, settings};
use crate::reported::apply;
use partners::valuation::{self, MOST_VEHICLES, Service, Vehicle};
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName, Unique};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stores::{
    Alerts, Due, Histories, Listings, PgConnection, Provider, ProviderKind, Valuation, Valuations,
};

/// Vehicles of one answer that are all unknown: then it is not they.
const SUSPICIOUS: usize = 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshValuations {
    pub provider: String,
}

impl Job for RefreshValuations {
    type App = App;
    const NAME: &'static str = "refresh_valuations";
    const POLICY: Policy = Policy {
        queue: QueueName::Lookups,
        timeout: Duration::from_secs(10 * 60),
        unique: Unique::WhileQueued,
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.provider.clone())
    }

    fn partner(&self) -> Option<String> {
        Some(Provider::partner_of(
            ProviderKind::Valuation,
            &self.provider,
        ))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let provider = match enrichment::find(app, &self.provider, ProviderKind::Valuation).await? {
            Ok(provider) => provider,
            Err(end) => return Ok(end),
        };
        // Half as many, because two units of a VIN may have two mileages.
        let size = i64::try_from(MOST_VEHICLES / 2).unwrap_or(1);
        let asking = Worths {
            app,
            provider: &provider,
        };
        refresh(app, cx, &provider, size, &asking).await
    }
}

struct Worths<'a> {
    app: &'a App,
    provider: &'a Provider,
}

impl Asking for Worths<'_> {
    type Answer = Valuation;

    async fn ask(&self, due: Vec<Due>) -> Result<Batch<Valuation>, JobError> {
        many(self.app, self.provider, due).await
    }

    async fn keep(&self, tx: &mut PgConnection, worth: &[Valuation]) -> Result<(), JobError> {
        Valuations::keep(tx, worth).await?;
        let known = worth
            .iter()
            .filter(|worth| worth.retail_cents.is_some())
            .count();
        let name = self.provider.name.as_str();
        match (known, worth.len()) {
            (0, unknown @ SUSPICIOUS..) => {
                let message = format!(
                    "it knows none of {unknown} vehicles that it was asked about together; what it told before stands"
                );
                Alerts::raise(tx, "worth_unknown", "warning", name, &message).await?;
            }
            (0, _) => {}
            _ => Alerts::resolve(tx, "worth_unknown", name).await?,
        }
        let vins: Vec<String> = worth.iter().map(|worth| worth.vin.clone()).collect();
        apply(tx, &vins).await?;
        Ok(())
    }
}

async fn many(app: &App, provider: &Provider, due: Vec<Due>) -> Result<Batch<Valuation>, JobError> {
    let due = narrowed(due, MOST_VEHICLES / 2);
    let settings = settings(provider);
    let vins: Vec<String> = due.iter().map(|due| due.subject.clone()).collect();
    let mut conn = app.pool.acquire().await?;
    let ids = Histories::units(&mut conn, &vins).await?;
    let listings = Listings::by_ids(&mut conn, &ids).await?;
    let fresh = Valuations::fresh(&mut conn, provider, &vins).await?;
    drop(conn);
    // One mileage a vehicle and call: where two units of it differ the other is asked for in the next, it stays due.
    let mut miles: BTreeMap<String, i32> = BTreeMap::new();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for listing in listings {
        if let (Some(vin), Some(km)) = (listing.vin, listing.details.odometer_km) {
            let (vin, bucket) = (vin.to_string(), bucket(km));
            if fresh.contains(&(vin.clone(), bucket)) {
                continue;
            }
            let asked = *miles.entry(vin.clone()).or_insert(bucket);
            if asked != bucket {
                others.insert(vin);
            }
        }
    }
    // What has left the lot, has no mileage, or was answered since, is asked about no more.
    let (due, gone): (Vec<Due>, Vec<Due>) = due
        .into_iter()
        .partition(|due| miles.contains_key(&due.subject));
    let gone = gone.into_iter().map(|due| due.subject);
    if miles.is_empty() {
        return Ok(Batch::of_nobody(gone));
    }
    let vehicles: Vec<Vehicle> = miles
        .iter()
        .map(|(vin, bucket)| Vehicle {
            vin: vin.clone(),
            odometer: i64::from(*bucket) * 1_000,
            region: settings.region.clone(),
        })
        .collect();
    let (partner, client) = (provider.partner(), secret(app, provider)?);
    let service = Service {
        partner: &partner,
        token_url: &settings.token_url,
        url: &provider.url,
        client: &client,
    };
    let worth = service.worth(&app.fetcher, &app.tokens, &vehicles).await;
    let cents = |dollars: [i64; 3]| Some(dollars.iter().map(|d| d * 100).collect());
    let valued = worth.map(|worth| {
        let of = |said: &valuation::Said| {
            Some(Valuation {
                vin: said.vin.clone(),
                provider: provider.name.clone(),
                odometer_bucket: *miles.get(&said.vin)?,
                region: settings.region.clone(),
                wholesale_cents: said.worth.and_then(|worth| cents(worth.wholesale)),
                retail_cents: said.worth.and_then(|worth| cents(worth.retail)),
                sales: said
                    .worth
                    .map_or(0, |worth| i32::try_from(worth.sales).unwrap_or(0)),
            })
        };
        worth.iter().filter_map(of).collect()
    });
    let mut batch = Batch::of_many(due, valued, |valuation: &Valuation| &valuation.vin);
    batch.asked.retain(|vin| !others.contains(vin));
    batch.nothing_to_ask(gone);
    let unknown = std::mem::take(&mut batch.nothing);
    batch.answers.extend(unknown.into_iter().filter_map(|vin| {
        Some(Valuation {
            odometer_bucket: *miles.get(&vin)?,
            vin,
            provider: provider.name.clone(),
            region: settings.region.clone(),
            wholesale_cents: None,
            retail_cents: None,
            sales: 0,
        })
    }));
    Ok(batch)
}
