//! Decode the VINs of some listings: fill blanks, note contradictions, tell bad VINs.
//!
//! Starts: `load_file`, for units that are new or whose row changed.
//! Reads: `listings`, the offline decoder, what providers reported before. Writes: `vin_decodes`, blank fields of
//! `listings`, `contradictions`, an alert per dealer with bad VINs, `enrichment_due`. Then: the jobs that ask providers.
//! Twice: a filled field is not blank any more, and contradictions are replaced.

use crate::{App, enrichment, reported};
use domain::{Details, Listing, Vin, merge};
use queue::{Engine, Job, JobContext, JobError, Outcome, Policy, Priority, QueueName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use stores::{Alerts, ContradictionRow, Dealers, Listings, PgConnection, Vins};
use vin::{Decoded, Decoder, blanks_filled, contradictions, errors, facts_of_api, may_be_of};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecodeVins {
    pub listings: Vec<i64>,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    vins: usize,
    bad: usize,
    filled: usize,
    contradictions: usize,
}

impl Job for DecodeVins {
    type App = App;
    const NAME: &'static str = "decode_vins";
    const POLICY: Policy = Policy {
        queue: QueueName::Lookups,
        priority: Priority::Normal,
        timeout: Duration::from_secs(5 * 60),
        ..Policy::DEFAULT
    };

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        // Its first use in a process takes a second: before anything is locked.
        app.decoder().await?;
        let mut tx = app.pool.begin().await?;
        Listings::lock(&mut tx, &self.listings).await?;
        let mut listings = Listings::by_ids(&mut tx, &self.listings).await?;
        let decoded = decode(app, &listings).await?;
        let mut report = Report {
            vins: decoded.len(),
            bad: decoded.values().filter(|d| !d.clean()).count(),
            ..Report::default()
        };
        keep(&mut tx, &decoded).await?;
        report.filled = fill(&mut tx, &mut listings, &decoded).await?;
        report.contradictions = note(&mut tx, &self.listings, &listings, &decoded).await?;
        tell_bad(&mut tx, &listings, &decoded).await?;
        let doubtful = |vin: &str| decoded.get(vin).is_some_and(|d| !d.clean());
        let orders = enrichment::want(&mut tx, &listings, &doubtful).await?;
        app.engine.enqueue(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}

/// Each VIN once, on a blocking thread.
async fn decode(app: &App, listings: &[Listing]) -> Result<HashMap<String, Decoded>, JobError> {
    let mut vins: Vec<Vin> = listings
        .iter()
        .filter_map(|listing| listing.vin.clone())
        .collect();
    vins.sort();
    vins.dedup();
    let decoder = app.decoder().await?;
    let decoded = tokio::task::spawn_blocking(move || decoder.decode_all(&vins)).await?;
    Ok(decoded
        .into_iter()
        .map(|decoded| (decoded.vin.clone(), decoded))
        .collect())
}

async fn keep(tx: &mut PgConnection, decoded: &HashMap<String, Decoded>) -> Result<(), JobError> {
    let mut sorted: Vec<&Decoded> = decoded.values().collect();
    sorted.sort_by(|a, b| a.vin.cmp(&b.vin));
    let vins: Vec<String> = sorted.iter().map(|d| d.vin.clone()).collect();
    let errors: Vec<String> = sorted
        .iter()
        .map(|d| {
            d.errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect();
    let facts = sorted
        .iter()
        .map(|d| serde_json::to_value(&d.facts))
        .collect::<Result<Vec<_>, _>>()?;
    Vins::keep(tx, Decoder::version(), &vins, &errors, &facts).await?;
    Ok(())
}

fn facts_of<'a>(listing: &Listing, decoded: &'a HashMap<String, Decoded>) -> Option<&'a Decoded> {
    decoded.get(listing.vin.as_ref()?.as_str())
}

/// In place, and in the database.
async fn fill(
    tx: &mut PgConnection,
    listings: &mut [Listing],
    decoded: &HashMap<String, Decoded>,
) -> Result<usize, JobError> {
    // A unit that comes to another rooftop brings its past with it.
    let mut changed = reported::reported(tx, listings).await?;
    let api = of_api(tx, decoded).await?;
    let mut filled = 0;
    for listing in listings.iter_mut() {
        // A VIN with a wrong digit may be another car's: nothing is filled from it.
        let sound = |d: &&Decoded| d.check_digit_ok && !errors::doubtful(&d.errors);
        let facts = facts_of(listing, decoded).filter(sound);
        let known = listing.vin.as_ref().and_then(|vin| api.get(vin.as_str()));
        let offline = facts.map(|d| &d.facts);
        let none = Details::default();
        let known = known.filter(|said| may_be_of(listing, said, offline.unwrap_or(&none)));
        let sayers: Vec<&Details> = offline.into_iter().chain(known).collect();
        let mut blanks = merge::take_back(listing, &sayers);
        for facts in sayers {
            blanks += blanks_filled(&listing.details.clone(), facts)
                .into_iter()
                .filter(|(field, value)| merge::fill(listing, *field, value.clone()))
                .count();
        }
        if blanks > 0 {
            filled += blanks;
            changed.push(listing.id);
        }
    }
    let changed: HashSet<i64> = changed.into_iter().collect();
    let changed = listings.iter().filter(|l| changed.contains(&l.id));
    Listings::update(tx, &changed.cloned().collect::<Vec<_>>(), None).await?;
    Ok(filled)
}

/// What the decoder's API said of these before, of another unit perhaps.
async fn of_api(
    tx: &mut PgConnection,
    decoded: &HashMap<String, Decoded>,
) -> Result<HashMap<String, Details>, JobError> {
    let unclear = decoded.values().filter(|d| !d.clean());
    let vins: Vec<String> = unclear.map(|d| d.vin.clone()).collect();
    let said = Vins::of_api(tx, &vins).await?;
    let mut facts = HashMap::new();
    for (vin, codes, values) in said {
        let codes: Vec<i32> = codes
            .split(',')
            .filter_map(|code| code.parse().ok())
            .collect();
        if !errors::doubtful(&codes) {
            let values: BTreeMap<String, String> = serde_json::from_value(values)?;
            facts.insert(vin, facts_of_api(&values));
        }
    }
    Ok(facts)
}

async fn note(
    tx: &mut PgConnection,
    ids: &[i64],
    listings: &[Listing],
    decoded: &HashMap<String, Decoded>,
) -> Result<usize, JobError> {
    let mut found: Vec<ContradictionRow> = listings
        .iter()
        .filter_map(reported::title_contradiction)
        .collect();
    for listing in listings {
        let Some(facts) = facts_of(listing, decoded) else {
            continue;
        };
        // Where position 9 is the maker's, what does not decode clean says nothing against the dealer.
        let ours = listing.vin.as_ref().is_some_and(Vin::is_north_american);
        if !ours && !facts.check_digit_ok {
            continue;
        }
        found.extend(
            contradictions(&listing.details, &facts.facts)
                .into_iter()
                .map(|c| ContradictionRow {
                    listing_id: listing.id,
                    field: c.field.name().to_owned(),
                    listing_value: c.listing_value,
                    vin_value: c.vin_value,
                }),
        );
    }
    Vins::contradict(tx, ids, &found).await?;
    Ok(found.len())
}

/// One alert a dealer, naming the first few of all that he has.
async fn tell_bad(
    tx: &mut PgConnection,
    listings: &[Listing],
    decoded: &HashMap<String, Decoded>,
) -> Result<(), JobError> {
    let wrong = |listing: &&Listing| {
        facts_of(listing, decoded).is_some_and(|decoded| !decoded.check_digit_ok)
    };
    let dealers: HashSet<i64> = listings.iter().filter(wrong).map(|l| l.dealer_id).collect();
    if dealers.is_empty() {
        return Ok(());
    }
    let all = Dealers::list(tx).await?;
    for dealer in all.iter().filter(|dealer| dealers.contains(&dealer.id)) {
        let (all, few) = Vins::bad(tx, dealer.id, NAMED).await?;
        if all == 0 {
            continue;
        }
        let few = few.iter().map(|(number, vin)| format!("{number} ({vin})"));
        let few = few.collect::<Vec<_>>().join(", ");
        let more = if all > NAMED { " and others" } else { "" };
        let message = format!("{all} units have a vin whose check digit is wrong: {few}{more}");
        Alerts::raise(tx, "bad_vins", "warning", &dealer.key, &message).await?;
    }
    Ok(())
}

/// Units of an alert.
const NAMED: i64 = 5;
