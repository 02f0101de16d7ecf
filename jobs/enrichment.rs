//! Asking providers about the stock, at their pace: what is to be asked stands in `enrichment_due`, each vehicle once however
//! many units want it, new units first; one job a provider takes from it, and is followed by the next while there is more.
//! However large the night, a provider has one job in the queue.
//!
//! A provider that is down, or has had enough, costs no attempt: what was answered is kept, what was not stays due, and the job
//! waits as long as it is told to.

use crate::batch::Batch;
use crate::gates::judged;
use crate::providers::{PROVIDER_FAILING, ProviderProblem, bucket, job_of};
use crate::{App, RefreshHistory, RefreshValuations, RefreshVins, UploadPhotos, turns};
use domain::{Kind, Listing};
use partners::ErrorKind;
use queue::{
    Change, Engine, Enqueue, JobContext, JobError, JobFilter, JobState, Jobs, Lock, Outcome,
};
use serde::Serialize;
use std::future::Future;
use std::time::{Duration, Instant};
use stores::{
    Alerts, Due, Listings, PgConnection, Provider, ProviderKind, Providers, WantedVehicle,
};

/// A job goes on for so long, then another does: the queue stays fair.
pub(crate) const TURN: Duration = Duration::from_secs(60);
const HOLD: Duration = Duration::from_secs(10 * 60);
/// While anything is due, however late, a job looks this often.
pub(crate) const SOON: i64 = 5 * 60;
/// Batches in a row that came to nothing: then it is not one subject that is to blame.
const FRUITLESS: u32 = 8;
/// Failures of a batch that answers nobody, which is then told.
const FAILING: usize = 5;
/// Old answers looked for in one night.
const MOST_OLD: i64 = 200_000;

#[derive(Debug, Default, Serialize)]
struct Report {
    asked: usize,
    failed: usize,
    /// Whether there was more than this job's turn.
    more: bool,
    /// Why it stopped before, after answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    /// For how long.
    #[serde(skip)]
    wait: Option<Duration>,
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

    /// That it knows nothing of these, whom it left out of every answer, and is not asked again tomorrow.
    fn nothing(
        &self,
        _tx: &mut PgConnection,
        _subjects: &[String],
    ) -> impl Future<Output = Result<(), JobError>> + Send {
        std::future::ready(Ok(()))
    }
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
    go_on(app, provider, report.wait).await?;
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
        let due = Providers::next(&mut conn, provider, size).await?;
        if due.is_empty() {
            // Nobody pays for an answer about a unit that is gone.
            Providers::forget_gone(&mut conn, provider).await?;
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
        // What was asked of another address, or of who is removed, is no answer.
        if !Providers::stands(&mut tx, provider).await? {
            report.more = true;
            report.asked -= batch.asked.len();
            report.failed -= batch.failed.len();
            report.stopped = Some("the provider was put anew meanwhile".to_owned());
            tx.rollback().await?;
            return Ok(report);
        }
        asking.keep(&mut tx, &batch.answers).await?;
        asking.nothing(&mut tx, &batch.nothing).await?;
        // As whoever wants something locks them: first the units, then what is due, in order.
        batch.asked.sort();
        batch.failed.sort();
        let failed = batch.failed.iter().map(|(subject, ..)| subject);
        let mut subjects: Vec<String> = batch.asked.iter().chain(failed).cloned().collect();
        subjects.sort();
        Providers::lock_due(&mut tx, &provider.name, &subjects).await?;
        Providers::asked(&mut tx, &provider.name, &batch.asked).await?;
        Providers::later(&mut tx, &provider.name, &batch.failed).await?;
        tell_failing(&mut tx, provider, &batch).await?;
        turns::still_ours(&mut tx, lock).await?;
        tx.commit().await?;
        cx.progress(u64::try_from(report.asked).unwrap_or(0), None, "asked");
        match batch.stopped.map(judged) {
            // What is slow goes on all the same, however many days: only who comes to nothing waits as one job.
            Some(JobError::Snooze { after, reason }) if report.asked > 0 => {
                (report.more, report.stopped, report.wait) = (true, Some(reason), Some(after));
                return Ok(report);
            }
            // Who refuses us is told by an alert, and asked again: a key that is mended needs nobody to say so here.
            Some(JobError::Reject(why)) => {
                let soon = Duration::from_secs(SOON.unsigned_abs());
                (report.more, report.stopped, report.wait) = (true, Some(why.message), Some(soon));
                return Ok(report);
            }
            Some(error) => return Err(error),
            None => {}
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

/// Somebody must hear of a provider that answers nobody where no breaker tells: it refuses everything, or what it says is no answer.
async fn tell_failing<T>(
    tx: &mut PgConnection,
    provider: &Provider,
    batch: &Batch<T>,
) -> Result<(), JobError> {
    let name = provider.name.as_str();
    if !batch.answers.is_empty() {
        Alerts::resolve(tx, PROVIDER_FAILING, name).await?;
        return Ok(());
    }
    let problem = match (&batch.stopped, batch.failed.first()) {
        (Some(error), _) if error.kind == ErrorKind::Denied => error.to_string(),
        (Some(error), _) if error.kind != ErrorKind::Corrupt => return Ok(()),
        (_, Some((.., problem))) if batch.failed.len() >= FAILING => problem.clone(),
        _ => return Ok(()),
    };
    let message = format!("it answers nobody: {problem}");
    Alerts::raise(tx, PROVIDER_FAILING, "warning", name, &message).await?;
    Ok(())
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

/// The next job, while something is due: what waits for its next try is not left to the schedule.
async fn go_on(app: &App, provider: &Provider, told: Option<Duration>) -> Result<(), JobError> {
    let mut conn = app.pool.acquire().await?;
    let Some(wait) = Providers::due_in(&mut conn, &provider.name).await? else {
        return Ok(());
    };
    let Some(now) = Providers::find(&mut conn, &provider.name).await? else {
        return Ok(());
    };
    // It was put anew meanwhile: what the old one asked for does not bind the new one.
    let same = now.url == provider.url && now.settings == provider.settings;
    let told = told.filter(|_| same);
    let wait = Duration::from_secs(u64::try_from(wait.min(SOON)).unwrap_or(0));
    let order = order(provider)?.after(wait.max(told.unwrap_or_default()));
    app.engine.enqueue(&mut conn, &[order]).await?;
    Ok(())
}

pub(crate) fn order(provider: &Provider) -> Result<Enqueue, serde_json::Error> {
    let (kind, provider) = (provider.kind, provider.name.clone());
    match kind {
        ProviderKind::Vin => Enqueue::of(&RefreshVins { provider }),
        ProviderKind::History => Enqueue::of(&RefreshHistory { provider }),
        ProviderKind::Valuation => Enqueue::of(&RefreshValuations { provider }),
        ProviderKind::Upload => Enqueue::of(&UploadPhotos { provider }),
    }
}

/// What waits for its time is asked now: the provider is another than the one it waits for.
pub(crate) async fn hurry(app: &App, provider: &Provider) -> Result<(), ProviderProblem> {
    let mut conn = app.pool.acquire().await?;
    let of_it = JobFilter {
        kind: Some(job_of(provider.kind).to_owned()),
        state: Some(JobState::Scheduled),
        args: Some(serde_json::json!({ "provider": provider.name })),
        ..JobFilter::default()
    };
    let waiting: Vec<Change> = Jobs::list(&mut conn, &of_it, None, 10)
        .await?
        .into_iter()
        .map(|job| Change {
            id: job.id,
            delay: Some(Duration::ZERO),
            priority: None,
        })
        .collect();
    app.engine
        .reschedule(&waiting, "its provider was put anew")
        .await?;
    Ok(())
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
    // Nobody keeps reports on machines, as what is old is looked for too.
    let vehicles = |unit: &&Listing| unit.kind == Kind::Vehicle && Listings::on_the_lot(unit);
    for unit in listings.iter().filter(vehicles) {
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
        // Removed since.
        let why = serde_json::json!({ "why": format!("there is no provider {name:?}") });
        return Ok(Err(Outcome::Done(why)));
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
