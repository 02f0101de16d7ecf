//! Asking providers about the stock, at their pace: what is to be asked stands in `enrichment_due`, each vehicle once however
//! many units want it, new units first; one job a provider takes from it, and is followed by the next while there is more.
//! However large the night, a provider has one job in the queue.
//!
//! A provider that is down, or has had enough, costs no attempt: what was answered is kept, what was not stays due, and the job
//! waits as long as it is told to.

use crate::gates::judged;
use crate::providers::{bucket, job_of};
use crate::{App, RefreshHistory, RefreshValuations, RefreshVins, UploadPhotos, turns};
use domain::merge::report;
use domain::{Field, Listing, Source, Value};
use futures::StreamExt;
use partners::{ErrorKind, PartnerError};
use queue::{Engine, Enqueue, JobContext, JobError, Lock, Outcome};
use serde::Serialize;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stores::{
    ContradictionRow, Due, Histories, Listings, PgConnection, Provider, ProviderKind, Providers,
    Valuations, Vins, WantedVehicle,
};

/// A job goes on for so long, then another does: the queue stays fair.
const TURN: Duration = Duration::from_secs(60);
const HOLD: Duration = Duration::from_secs(10 * 60);
/// After a failure, doubled with each.
const FIRST_WAIT: i64 = 30;
const LONGEST_WAIT: i64 = 6 * 3600;
/// A provider that fails so often in one batch is left alone.
const FAILURES: usize = 5;
/// While anything is due, however late, a job looks this often.
const SOON: i64 = 5 * 60;
/// Batches in a row that came to nothing: then it is not one subject that is to blame.
const FRUITLESS: u32 = 8;
/// Old answers looked for in one night.
const MOST_OLD: i64 = 200_000;

/// What one batch came to, by subject.
pub(crate) struct Batch<T> {
    answers: Vec<T>,
    /// Answered, also with nothing.
    asked: Vec<String>,
    /// With the seconds until the next try, and why there must be one.
    failed: Vec<(String, i64, String)>,
    /// Why no more was asked.
    stopped: Option<PartnerError>,
    /// Failures that are the provider's.
    failures: usize,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    asked: usize,
    failed: usize,
    /// Whether there was more than this job's turn.
    more: bool,
}

/// How one kind of provider is asked.
pub(crate) trait Asking: Sync {
    type Answer: Send + Sync;

    fn ask(
        &self,
        due: Vec<Due>,
    ) -> impl Future<Output = Result<Batch<Self::Answer>, JobError>> + Send;

    /// Writes what came, in the transaction that strikes it off.
    fn keep(
        &self,
        tx: &mut PgConnection,
        answers: &[Self::Answer],
    ) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// Asks about batches of at most `size` until nothing is due or the turn is over.
pub(crate) async fn refresh(
    app: &App,
    cx: &JobContext,
    provider: &Provider,
    size: i64,
    asking: &impl Asking,
) -> Result<Outcome, JobError> {
    let name = format!("provider {}", provider.name);
    // Whoever asks it now looks once more for what is due when its turn is over, and sees what this job was made for.
    let Some(lock) = turns::try_take(app, &name, cx, HOLD).await? else {
        let why = serde_json::json!({ "why": "another job asks this provider already" });
        return Ok(Outcome::Done(why));
    };
    let done = in_turn(app, cx, provider, size, asking, &lock).await;
    turns::release(app, &lock).await;
    let report = done?;
    go_on(app, provider).await?;
    Ok(Outcome::Done(serde_json::to_value(report)?))
}

async fn in_turn(
    app: &App,
    cx: &JobContext,
    provider: &Provider,
    size: i64,
    asking: &impl Asking,
    lock: &Lock,
) -> Result<Report, JobError> {
    let begun = Instant::now();
    let mut report = Report::default();
    let (mut looked_for_old, mut fruitless) = (false, 0);
    loop {
        let mut conn = app.pool.acquire().await?;
        let due = Providers::next(&mut conn, &provider.name, size).await?;
        if due.is_empty() {
            drop(conn);
            // What is old is a night's work, and the same for every job of it.
            if looked_for_old || !want_old(app, provider).await? {
                return Ok(report);
            }
            looked_for_old = true;
            continue;
        }
        drop(conn);
        let mut batch = asking.ask(due).await?;
        report.asked += batch.asked.len();
        report.failed += batch.failed.len();
        let mut tx = app.pool.begin().await?;
        asking.keep(&mut tx, &batch.answers).await?;
        // As whoever wants something locks them: first the units, then what is due, in order.
        batch.asked.sort();
        batch.failed.sort();
        let failed = batch.failed.iter().map(|(subject, ..)| subject);
        let mut subjects: Vec<String> = batch.asked.iter().chain(failed).cloned().collect();
        subjects.sort();
        Providers::lock_due(&mut tx, &provider.name, &subjects).await?;
        Providers::asked(&mut tx, &provider.name, &batch.asked).await?;
        Providers::later(&mut tx, &provider.name, &batch.failed).await?;
        turns::still_ours(&mut tx, lock).await?;
        tx.commit().await?;
        cx.progress(u64::try_from(report.asked).unwrap_or(0), None, "asked");
        if let Some(error) = batch.stopped {
            return Err(judged(error));
        }
        let came_to_nothing = batch.asked.is_empty() && !batch.failed.is_empty();
        fruitless = if came_to_nothing { fruitless + 1 } else { 0 };
        if let (FRUITLESS.., Some((.., problem))) = (fruitless, batch.failed.first()) {
            return Err(JobError::Snooze {
                after: Duration::from_secs(SOON.unsigned_abs()),
                reason: format!("{fruitless} batches in a row came to nothing: {problem}"),
            });
        }
        if begun.elapsed() > TURN {
            report.more = true;
            return Ok(report);
        }
    }
}

/// Whether it was time to look for what is old; whoever looks for it has found it, or has not looked.
async fn want_old(app: &App, provider: &Provider) -> Result<bool, JobError> {
    let mut tx = app.pool.begin().await?;
    let looks = Providers::look(&mut tx, &provider.name).await?;
    if looks {
        let found = Providers::want_old(&mut tx, provider, MOST_OLD).await?;
        if i64::try_from(found).is_ok_and(|found| found >= MOST_OLD) {
            Providers::look_again(&mut tx, &provider.name).await?;
        }
    }
    tx.commit().await?;
    Ok(looks)
}

/// A try is worth as long a wait as there were before it, or as the provider asks for.
fn wait(due: &Due, error: &PartnerError) -> i64 {
    let doubled = FIRST_WAIT << due.tries.clamp(0, 10);
    let asked = error.retry_after.map_or(0, |wait| wait.as_secs());
    doubled
        .max(i64::try_from(asked).unwrap_or(LONGEST_WAIT))
        .min(LONGEST_WAIT)
}

/// The next job, while something is due: what waits for its next try is not left to the schedule.
async fn go_on(app: &App, provider: &Provider) -> Result<(), JobError> {
    let mut conn = app.pool.acquire().await?;
    let Some(wait) = Providers::due_in(&mut conn, &provider.name).await? else {
        return Ok(());
    };
    let wait = Duration::from_secs(u64::try_from(wait.min(SOON)).unwrap_or(0));
    let order = order(provider)?.after(wait);
    app.engine.enqueue(&mut conn, &[order]).await?;
    Ok(())
}

fn order(provider: &Provider) -> Result<Enqueue, serde_json::Error> {
    let (kind, provider) = (provider.kind, provider.name.clone());
    match kind {
        ProviderKind::Vin => Enqueue::of(&RefreshVins { provider }),
        ProviderKind::History => Enqueue::of(&RefreshHistory { provider }),
        ProviderKind::Valuation => Enqueue::of(&RefreshValuations { provider }),
        ProviderKind::Upload => Enqueue::of(&UploadPhotos { provider }),
    }
}

/// Asks about each subject by itself, as many at once as the provider takes. `None` is an answer too: nothing is known.
pub(crate) async fn each<T, F, Fut>(provider: &Provider, due: Vec<Due>, ask: F) -> Batch<T>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<Option<T>, PartnerError>>,
{
    let at_once = usize::try_from(provider.at_once).unwrap_or(1).max(1);
    // What is under way when it is time to stop is waited for: its answer is kept, and its end told to the gate.
    let stopping = AtomicBool::new(false);
    let (stopping, ask) = (&stopping, &ask);
    let mut answers = futures::stream::iter(due)
        .map(|due| async move {
            if stopping.load(Ordering::Relaxed) {
                return (due, None);
            }
            let answer = ask(due.subject.clone()).await;
            (due, Some(answer))
        })
        .buffer_unordered(at_once);
    let mut batch = Batch::new();
    while let Some((due, answer)) = answers.next().await {
        if let Some(answer) = answer {
            batch.take(due, answer);
        }
        stopping.store(batch.stopped.is_some(), Ordering::Relaxed);
    }
    batch
}

/// Its breaker is open, or it has had enough, or knows us no more: no subject is to blame.
fn nobody_was_asked(error: &PartnerError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Shut | ErrorKind::Throttled | ErrorKind::Denied
    )
}

/// Those to ask in one call: what failed together is asked in halves, quarters and so on, until what is to blame is alone.
/// The rest stays due.
pub(crate) fn narrowed(mut due: Vec<Due>, most: usize) -> Vec<Due> {
    let tries = due.first().map_or(0, |due| due.tries);
    let fresh = due.iter().take_while(|due| due.tries == tries).count();
    let halved = most >> tries.clamp(0, 16);
    due.truncate(fresh.min(halved.max(1)));
    due
}

impl<T> Batch<T> {
    fn new() -> Self {
        Self {
            answers: Vec::new(),
            asked: Vec::new(),
            failed: Vec::new(),
            stopped: None,
            failures: 0,
        }
    }

    fn take(&mut self, due: Due, answer: Result<Option<T>, PartnerError>) {
        match answer {
            Ok(answer) => {
                self.asked.push(due.subject);
                self.answers.extend(answer);
            }
            // Nobody was asked, or the provider has had enough, or knows us no more: this one is no worse than the others.
            Err(error) if nobody_was_asked(&error) => self.stopped = Some(error),
            Err(error) => {
                self.put_off(due, &error);
                self.failures += usize::from(error.is_partners_fault());
                if self.failures >= FAILURES && self.asked.len() < FAILURES {
                    self.stopped = Some(error);
                }
            }
        }
    }

    fn put_off(&mut self, due: Due, error: &PartnerError) {
        let wait = wait(&due, error);
        self.failed.push((due.subject, wait, error.to_string()));
    }

    /// One call about many: answered together, or not.
    pub(crate) fn of_many(due: Vec<Due>, answer: Result<Vec<T>, PartnerError>) -> Self {
        let mut batch = Self::new();
        match answer {
            Ok(answers) => {
                batch.answers = answers;
                batch.asked = due.into_iter().map(|due| due.subject).collect();
            }
            Err(error) if nobody_was_asked(&error) => batch.stopped = Some(error),
            // Perhaps one of them is what makes the answer no answer: they are asked in ever smaller batches.
            Err(error) => {
                due.into_iter().for_each(|due| batch.put_off(due, &error));
                batch.stopped = error.is_partners_fault().then_some(error);
            }
        }
        batch
    }
}

/// What these units want to be asked, and the jobs that do; in the transaction that found out. A new unit's row is its first.
pub(crate) async fn want(
    tx: &mut PgConnection,
    listings: &[Listing],
    doubtful: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<Enqueue>, JobError> {
    let vehicle = |unit: &Listing| {
        Some(WantedVehicle {
            vin: unit.vin.as_ref()?.to_string(),
            odometer_bucket: unit.details.odometer_km.map(bucket),
            new: unit.version == 1,
        })
    };
    let (mut sound, mut unsure) = (Vec::new(), Vec::new());
    for unit in listings.iter().filter(|unit| Listings::on_the_lot(unit)) {
        let Some(vehicle) = vehicle(unit) else {
            continue;
        };
        if doubtful(&vehicle.vin) {
            unsure.push(vehicle.clone());
        }
        if unit.vin.as_ref().is_some_and(domain::Vin::check_digit_ok) {
            sound.push(vehicle);
        }
    }
    let mut orders = Vec::new();
    for provider in Providers::all(tx).await?.iter().filter(|p| p.enabled) {
        let vehicles = match provider.kind {
            ProviderKind::Vin => &unsure,
            _ => &sound,
        };
        if Providers::want(tx, provider, vehicles).await? > 0 {
            orders.push(order(provider)?);
        }
    }
    Ok(orders)
}

/// The same of photos that were fetched.
pub(crate) async fn want_uploads(
    tx: &mut PgConnection,
    digests: &[String],
) -> Result<Vec<Enqueue>, JobError> {
    let mut orders = Vec::new();
    for provider in Providers::all(tx).await? {
        if provider.kind == ProviderKind::Upload
            && provider.enabled
            && Providers::want_uploads(tx, &provider.name, digests).await? > 0
        {
            orders.push(order(&provider)?);
        }
    }
    Ok(orders)
}

/// The provider a job is for; `Err` with its end when there is nobody to ask.
pub(crate) async fn find(
    app: &App,
    name: &str,
    kind: ProviderKind,
) -> Result<Result<Provider, Outcome>, JobError> {
    let mut conn = app.pool.acquire().await?;
    let Some(provider) = Providers::find(&mut conn, name).await? else {
        return Err(JobError::reject_because(format!(
            "there is no provider {name:?}"
        )));
    };
    if provider.kind != kind {
        let (is, job) = (provider.kind.as_str(), job_of(kind));
        return Err(JobError::reject_because(format!(
            "provider {name:?} is of kind {is}, not one for {job}"
        )));
    }
    if !provider.enabled {
        let why = serde_json::json!({ "why": "the provider is disabled" });
        return Ok(Err(Outcome::Done(why)));
    }
    Ok(Ok(provider))
}

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
    let reports = Histories::of(tx, &vins).await?;
    let worth = Valuations::of(tx, &vins).await?;
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
    let mut changed = Vec::new();
    for listing in listings {
        let Some(vin) = listing.vin.as_ref().map(ToString::to_string) else {
            continue;
        };
        let mut news = false;
        if let Some((owners, accidents, brand)) = past.get(vin.as_str()) {
            let brand = brand.map(|brand| Value::Text(brand.to_owned().into()));
            for (field, said) in [
                (Field::Owners, owners.map(Value::Number)),
                (Field::Accidents, accidents.map(Value::Number)),
                (Field::ReportedTitleBrand, brand),
            ] {
                news |= report(listing, field, said, Source::History);
            }
        }
        let miles = listing.details.odometer_km.map(bucket);
        if let Some(average) = miles.and_then(|miles| market.get(&(vin.as_str(), miles))) {
            let average = average.map(Value::Number);
            news |= report(listing, Field::MarketCents, average, Source::Valuation);
        }
        if news {
            changed.push(listing.id);
        }
    }
    Ok(changed)
}
