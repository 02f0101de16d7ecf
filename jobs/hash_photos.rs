//! Fetch the photos of some listings, fingerprint each picture once, and find those that look alike.
//!
//! Starts: `load_file`, for units that are new or whose row changed; itself, for hosts that failed.
//! Reads: `listings`, photo hosts. Writes: `photos`, `photo_urls`, `listing_photos`, `photo_pairs`, `placeholders`.
//! Then: `hash_photos` again: later for what a host failed to give, at once for what a slow one kept it from.
//! Twice: a URL that led to a photo is asked again after a week only, and by what its host said of it; the same bytes are the
//! same photo.

use crate::shelf::PhotoShelf;
use crate::{App, enrichment};
use domain::Listing;
use futures::StreamExt;
use partners::{ErrorKind, Fetched, PartnerError, Validators};
use photos::{Hash, Limits, Near, fingerprint};
use queue::{Engine, Enqueue, Job, JobContext, JobError, Outcome, Policy, Priority, QueueName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use stores::{Listings, NewPhoto, PhotoHashes, PhotoPair, PhotoTold, Photos, UrlOutcome};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HashPhotos {
    pub listings: Vec<i64>,
    /// Earlier jobs that met a failing host for these listings.
    #[serde(default)]
    pub tries: u32,
    /// The photos before this one, by address, were another job's, whose time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl HashPhotos {
    pub fn of(listings: &[i64]) -> Self {
        Self {
            listings: listings.to_vec(),
            tries: 0,
            from: None,
        }
    }
}

/// Photos fetched at once by one job.
const AT_ONCE: usize = 8;
/// Outcomes kept in one transaction; a crash loses no more.
const SLICE: usize = 50;
/// A host that failed this often in one job is left alone for the rest of it.
const HOST_FAILURES: u32 = 3;
/// A host that may be asked again so soon is waited for: its budget is spent, or its next call is a probe.
const PACED: Duration = Duration::from_secs(10);
const TRIES: u32 = 5;
/// Waits 10, 40, 160 … minutes for a failing host.
const FIRST_WAIT: Duration = Duration::from_secs(10 * 60);
/// A picture alike more than this many others is a stock photo; the nearest are enough.
const MOST_PAIRS: usize = 50;

#[derive(Debug, Default, Serialize)]
struct Report {
    listings: usize,
    urls: usize,
    /// Led to a photo within a week; not fetched again.
    known: usize,
    fetched: usize,
    /// Asked for again, and the same still.
    unchanged: usize,
    gone: usize,
    refused: usize,
    failed: usize,
    /// Not begun in time; another job has them.
    left: usize,
    alike: usize,
    /// Pictures that too many different units show to be a photo of any.
    placeholders: u64,
}

impl Job for HashPhotos {
    type App = App;
    const NAME: &'static str = "hash_photos";
    const POLICY: Policy = Policy {
        queue: QueueName::Photos,
        priority: Priority::Low,
        timeout: Duration::from_secs(30 * 60),
        ..Policy::DEFAULT
    };

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let listings = shown(app, &self.listings).await?;
        let mut urls: Vec<String> = listings
            .iter()
            .flat_map(|listing| listing.details.image_urls.iter().cloned())
            .collect();
        urls.sort_unstable();
        urls.dedup();
        if let Some(from) = &self.from {
            urls.retain(|url| url >= from);
        }
        let mut report = Report {
            listings: listings.len(),
            urls: urls.len(),
            ..Report::default()
        };
        let settled: BTreeSet<String> = Photos::settled(&mut *app.pool.acquire().await?, &urls)
            .await?
            .into_iter()
            .collect();
        let every = urls.clone();
        urls.retain(|url| !settled.contains(url));
        report.known = report.urls - urls.len();

        let begin_by = Instant::now() + app.photos_begin_within;
        let Unfinished { failed, left, wait } =
            fetch_all(app, &urls, begin_by, &mut report).await?;
        report.alike = compare(app).await?;
        let mut conn = app.pool.acquire().await?;
        report.placeholders = Photos::learn_placeholders(&mut conn, &every).await?;
        drop(conn);
        let mut orders = Vec::new();
        if let Some(from) = left.first() {
            let rest = Self {
                listings: showing(&listings, &left),
                tries: self.tries,
                from: Some(from.clone()),
            };
            orders.push(Enqueue::of(&rest)?.run(cx.run_id));
        }
        if !failed.is_empty() && self.tries < TRIES {
            let again = Self {
                listings: showing(&listings, &failed),
                tries: self.tries + 1,
                from: None,
            };
            // Of no run: a night must not wait hours for a host.
            let wait = wait.max(FIRST_WAIT * 4u32.pow(self.tries));
            orders.push(Enqueue::of(&again)?.after(wait));
        }
        let mut conn = app.pool.acquire().await?;
        app.engine.enqueue(&mut conn, &orders).await?;
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}

/// The listings that show photos, with where each photo stands written down.
async fn shown(app: &App, ids: &[i64]) -> Result<Vec<Listing>, JobError> {
    let mut tx = app.pool.begin().await?;
    Listings::lock(&mut tx, ids).await?;
    let mut listings = Listings::by_ids(&mut tx, ids).await?;
    listings.retain(Listings::on_the_lot);
    let places: Vec<(i64, &[String])> = listings
        .iter()
        .map(|listing| (listing.id, listing.details.image_urls.as_slice()))
        .collect();
    Photos::place(&mut tx, &places).await?;
    tx.commit().await?;
    Ok(listings)
}

/// URLs that are somebody's work still.
#[derive(Default)]
struct Unfinished {
    /// That gave no answer for good.
    failed: BTreeSet<String>,
    /// Not begun in time.
    left: BTreeSet<String>,
    /// As a host asked for.
    wait: Duration,
}

/// Fetches and hashes, keeping what is done as it goes.
async fn fetch_all(
    app: &App,
    urls: &[String],
    begin_by: Instant,
    report: &mut Report,
) -> Result<Unfinished, JobError> {
    let told = Photos::told(&mut *app.pool.acquire().await?, urls).await?;
    let hosts = Mutex::new(HashMap::<String, u32>::new());
    let asked = Mutex::new(Duration::ZERO);
    let (hosts, told, asked) = (&hosts, &told, &asked);
    let each = urls.iter().cloned().enumerate().map(|(n, url)| async move {
        // The first are begun at any time: each job for the rest begins further on, and the last comes to an end.
        if n >= AT_ONCE && Instant::now() >= begin_by {
            return (url, None);
        }
        let host = host_of(&url);
        let failures = |hosts: &Mutex<HashMap<String, u32>>| {
            let hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.get(&host).copied().unwrap_or_default()
        };
        if failures(hosts) >= HOST_FAILURES {
            let problem = format!("{host} failed {HOST_FAILURES} times before, left alone for now");
            return (url, Some(UrlOutcome::Failed(problem)));
        }
        let (outcome, wait) = one(app, &url, told.get(&url), begin_by).await;
        let Some(outcome) = outcome else {
            return (url, None);
        };
        let mut longest = asked.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = (*longest).max(wait.unwrap_or_default());
        drop(longest);
        let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            // It says itself that it has had enough.
            UrlOutcome::Failed(_) if wait.is_some() => drop(hosts.insert(host, HOST_FAILURES)),
            UrlOutcome::Failed(_) => *hosts.entry(host).or_default() += 1,
            _ => drop(hosts.remove(&host)),
        }
        (url, Some(outcome))
    });
    let slices = futures::stream::iter(each)
        .buffer_unordered(AT_ONCE)
        .ready_chunks(SLICE);
    let mut slices = std::pin::pin!(slices);
    let mut unfinished = Unfinished::default();
    while let Some(slice) = slices.next().await {
        let mut begun = Vec::with_capacity(slice.len());
        for (url, outcome) in slice {
            match outcome {
                Some(outcome) => begun.push((url, outcome)),
                None => drop(unfinished.left.insert(url)),
            }
        }
        let (slice, failed) = (begun, &mut unfinished.failed);
        for (url, outcome) in &slice {
            match outcome {
                UrlOutcome::Fetched(..) => report.fetched += 1,
                UrlOutcome::Same => report.unchanged += 1,
                UrlOutcome::Gone(_) => {
                    // Photos are often uploaded after the file that names them.
                    report.gone += 1;
                    failed.insert(url.clone());
                }
                UrlOutcome::Refused { .. } => report.refused += 1,
                UrlOutcome::Failed(_) => {
                    report.failed += 1;
                    failed.insert(url.clone());
                }
            }
        }
        let mut tx = app.pool.begin().await?;
        Photos::keep(&mut tx, &slice).await?;
        let digests: Vec<String> = slice
            .iter()
            .filter_map(|(_, outcome)| match outcome {
                UrlOutcome::Fetched(photo, _) => Some(photo.digest.clone()),
                _ => None,
            })
            .collect();
        let orders = enrichment::want_uploads(&mut tx, &digests).await?;
        app.engine.enqueue(&mut tx, &orders).await?;
        tx.commit().await?;
    }
    report.left = unfinished.left.len();
    unfinished.wait = *asked.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(unfinished)
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.to_ascii_lowercase()
}

/// One photo: fetched, then hashed on a blocking thread, no more at once than there are cores. With how long its host
/// asks to be left alone, if it does. `None` when its host's budget let nobody ask in time: another job will.
async fn one(
    app: &App,
    url: &str,
    told: Option<&PhotoTold>,
    begin_by: Instant,
) -> (Option<UrlOutcome>, Option<Duration>) {
    let fetched = loop {
        match fetched(app, url, told).await {
            Err(Unfetched::Paced(wait)) if Instant::now() + wait < begin_by => {
                tokio::time::sleep(wait).await;
            }
            fetched => break fetched,
        }
    };
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(Unfetched::Paced(_)) => return (None, None),
        Err(Unfetched::Ended(outcome, wait)) => return (Some(outcome), wait),
    };
    let Ok(_turn) = app.hashing.acquire().await else {
        let why = "the process is stopping".to_owned();
        return (Some(UrlOutcome::Failed(why)), None);
    };
    let hashed = match tokio::task::spawn_blocking(move || hashed(&fetched)).await {
        Ok(outcome) => outcome,
        Err(ended) => UrlOutcome::Refused {
            rule: "photo_damaged".to_owned(),
            problem: format!("the decoder gave up: {ended}"),
        },
    };
    (Some(hashed), None)
}

/// Why there are no bytes of a photo.
enum Unfetched {
    /// Its host was not asked: its budget is spent for so long.
    Paced(Duration),
    Ended(UrlOutcome, Option<Duration>),
}

async fn fetched(app: &App, url: &str, told: Option<&PhotoTold>) -> Result<Fetched, Unfetched> {
    let told = told.cloned().unwrap_or_default();
    let known = Validators {
        etag: told.etag,
        modified: told.modified,
    };
    let outcome = match app.fetcher.get_changed(url, &known).await {
        Ok(None) => UrlOutcome::Same,
        Ok(Some(fetched)) => return Ok(fetched),
        // S3 says 403 for an object that is not there, CDNs to a burst.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Denied) => {
            UrlOutcome::Gone(error.message)
        }
        Err(PartnerError {
            kind: ErrorKind::Shut,
            retry_after: Some(wait),
            ..
        }) if wait <= PACED => return Err(Unfetched::Paced(wait)),
        Err(error) if error.passing() => {
            let failed = UrlOutcome::Failed(error.message);
            return Err(Unfetched::Ended(failed, error.retry_after));
        }
        Err(error) => UrlOutcome::Refused {
            rule: "photo_url_refused".to_owned(),
            problem: error.message,
        },
    };
    Err(Unfetched::Ended(outcome, None))
}

fn hashed(fetched: &Fetched) -> UrlOutcome {
    let (bytes, said) = (&fetched.bytes, &fetched.validators);
    match fingerprint(bytes, Limits::DEFAULT) {
        Ok(print) => {
            let told = PhotoTold {
                etag: said.etag.clone(),
                modified: said.modified.clone(),
            };
            UrlOutcome::Fetched(
                NewPhoto {
                    digest: blake3::hash(bytes).to_hex().to_string(),
                    bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
                    format: print.format.name(),
                    width: i32::try_from(print.width).unwrap_or(i32::MAX),
                    height: i32::try_from(print.height).unwrap_or(i32::MAX),
                    phash: print.phash.0,
                    dhash: print.dhash.0,
                    upright: print.upright.0,
                    mirrored: print.mirrored.0,
                },
                told,
            )
        }
        Err(error) => UrlOutcome::Refused {
            rule: error.rule().to_owned(),
            problem: error.to_string(),
        },
    }
}

/// Every photo that nobody compared yet, with all others. Two jobs may do the same ones: the pairs
/// are the same.
async fn compare(app: &App) -> Result<usize, JobError> {
    let mut alike = 0;
    loop {
        let fresh = Photos::uncompared(&mut *app.pool.acquire().await?, 500).await?;
        if fresh.is_empty() {
            return Ok(alike);
        }
        app.shelf.refresh(&app.pool).await?;
        let ids: Vec<i64> = fresh.iter().map(|photo| photo.id).collect();
        let shelf = app.shelf.clone();
        let pairs = tokio::task::spawn_blocking(move || pairs(&shelf, &fresh)).await?;
        alike += pairs.len();
        let mut tx = app.pool.begin().await?;
        Photos::compared(&mut tx, &ids, &pairs).await?;
        tx.commit().await?;
    }
}

fn pairs(shelf: &PhotoShelf, fresh: &[PhotoHashes]) -> Vec<PhotoPair> {
    let mut pairs = Vec::new();
    for photo in fresh {
        // As it is, and flipped: advertisers turn pictures round so that nobody finds them.
        let mut near = shelf.near(photo.phash, photo.dhash);
        let flipped = Hash(photo.dhash).flipped();
        near.extend(shelf.near(photo.mirrored, flipped.0));
        near.retain(|near| near.id != photo.id && near.confirmed());
        let mut near = Near::best(near);
        near.truncate(MOST_PAIRS);
        pairs.extend(near.into_iter().map(|near| pair(photo.id, near)));
    }
    pairs.sort_by_key(|pair| (pair.photo_id, pair.other_id));
    pairs.dedup_by_key(|pair| (pair.photo_id, pair.other_id));
    pairs
}

fn pair(id: i64, near: Near) -> PhotoPair {
    PhotoPair {
        photo_id: id.max(near.id),
        other_id: id.min(near.id),
        phash: i32::try_from(near.phash).unwrap_or(64),
        dhash: i32::try_from(near.dhash).unwrap_or(64),
        confirmed: near.confirmed(),
    }
}

/// Those of the listings that show some of these.
fn showing(listings: &[Listing], urls: &BTreeSet<String>) -> Vec<i64> {
    let shows = |listing: &&Listing| {
        let mut shown = listing.details.image_urls.iter();
        shown.any(|url| urls.contains(url))
    };
    listings.iter().filter(shows).map(|l| l.id).collect()
}
