//! Build one feed: select, preflight, render, guard, upload, publish.
//!
//! Starts: cron, or `POST /v2/feeds/{feed}/runs`.
//! Reads: the feed's definition, `listings`, `photo_urls`, `photo_uploads`, `placeholders`. Writes: `feed_runs`, `feed_exclusions`, object
//! `feeds/{feed}/runs/{run}-{attempt}.{ext}`, its copy `feeds/{feed}/latest.{ext}`.
//! Twice: the run belongs to the job, so a second delivery ends the same run; the same bytes as
//! the last published run are not uploaded again.

use crate::{App, turns};
use domain::{Dealer, Listing};
use feeds::{Definition, Feed, Flaw, Flaws, Unit};
use futures::{StreamExt, TryStreamExt};
use partners::objects::Upload;
use queue::{Job, JobContext, JobError, Lock, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use stores::{
    Alerts, Changes, Dealers, Exclusion, FeedRow, FeedRun, Feeds, Listings, PgConnection, Photos,
    StoreError,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BuildFeed {
    /// The feed's key.
    pub feed: String,
}

/// Rendered this much before it goes to the upload.
const CHUNK_BYTES: usize = 256 * 1024;
/// Units whose photos are looked up at once.
const SLICE: usize = 500;

impl Job for BuildFeed {
    type App = App;
    const NAME: &'static str = "build_feed";
    const POLICY: Policy = Policy {
        queue: QueueName::Feeds,
        timeout: Duration::from_secs(60 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.feed.clone())
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let (feed, definition) = find(app, &self.feed).await?;
        let name = format!("build of {}", feed.key);
        let turn = turns::take(app, &name, cx, Self::POLICY.timeout).await?;
        let outcome = build(app, cx, &feed, &definition, &turn).await;
        turns::release(app, &turn).await;
        outcome
    }
}

async fn build(
    app: &App,
    cx: &JobContext,
    feed: &FeedRow,
    definition: &Definition,
    turn: &Lock,
) -> Result<Outcome, JobError> {
    let mut run = begin(app, feed, cx).await?;
    if run.state != "building" {
        // An earlier attempt ended the run and died before it could say so.
        if run.state == "published" {
            point_latest(app, feed, definition, &run).await?;
        }
        return Ok(Outcome::Done(serde_json::to_value(run)?));
    }
    let latest = latest(app, feed).await?;
    // The attempt is in the key: a stale one cannot write over a later one's object.
    let object_key = format!(
        "feeds/{}/runs/{}-{}.{}",
        feed.key,
        run.id,
        cx.attempt,
        definition.format.extension()
    );
    let mut upload = app
        .objects
        .upload(&object_key, definition.format.content_type())?;
    let exclusions = render(app, definition, &mut run, &mut upload).await?;
    let verdict = judge(definition, &run, latest.as_ref());
    match &verdict {
        Verdict::Publish => {
            upload.finish().await?;
            run.object_key = Some(object_key);
        }
        Verdict::Unchanged(before) => {
            upload.abandon().await?;
            run.object_key.clone_from(&before.object_key);
        }
        // Kept for whoever must decide.
        Verdict::Hold(reason) => {
            upload.finish().await?;
            run.object_key = Some(object_key);
            run.held_reason = Some(reason.clone());
        }
    }
    run.state = verdict.word().to_owned();
    end(app, feed, turn, &run, &exclusions, &verdict).await?;
    match &verdict {
        Verdict::Publish => point_latest(app, feed, definition, &run).await?,
        // Mends a copy that failed when that run was published.
        Verdict::Unchanged(before) => point_latest(app, feed, definition, before).await?,
        Verdict::Hold(_) => {}
    }
    let run = Feeds::run(&mut *app.pool.acquire().await?, run.id).await?;
    Ok(Outcome::Done(serde_json::to_value(run)?))
}

async fn find(app: &App, key: &str) -> Result<(FeedRow, Definition), JobError> {
    let feed = Feeds::find(&mut *app.pool.acquire().await?, key)
        .await?
        .ok_or_else(|| JobError::reject_because(format!("there is no feed {key:?}")))?;
    let definition: Definition = serde_json::from_value(feed.definition.clone())
        .map_err(|error| JobError::reject_because(format!("definition of feed {key}: {error}")))?;
    definition
        .check()
        .map_err(|error| JobError::reject(&error))?;
    Ok((feed, definition))
}

async fn begin(app: &App, feed: &FeedRow, cx: &JobContext) -> Result<FeedRun, JobError> {
    let mut tx = app.pool.begin().await?;
    let position = Changes::position(&mut tx).await?;
    let run = Feeds::begin_run(&mut tx, feed.id, cx.id, position).await?;
    tx.commit().await?;
    Ok(run)
}

async fn latest(app: &App, feed: &FeedRow) -> Result<Option<FeedRun>, JobError> {
    match feed.latest_run_id {
        Some(id) => Ok(Some(Feeds::run(&mut *app.pool.acquire().await?, id).await?)),
        None => Ok(None),
    }
}

/// From one snapshot of the database to the upload, a chunk at a time; what was left out and why.
async fn render(
    app: &App,
    definition: &Definition,
    run: &mut FeedRun,
    upload: &mut Upload,
) -> Result<Vec<Exclusion>, JobError> {
    let dealers: HashMap<i64, Dealer> = Dealers::list(&mut *app.pool.acquire().await?)
        .await?
        .into_iter()
        .map(|dealer| (dealer.id, dealer))
        .collect();
    let environment = Feed::environment();
    let mut feed = Feed::new(definition, &environment).map_err(|error| JobError::reject(&error))?;
    let mut digest = blake3::Hasher::new();
    let (mut chunk, mut exclusions) = (Vec::with_capacity(CHUNK_BYTES), Vec::new());
    feed.write_header(&mut chunk);
    run.bytes = 0;
    let mut conn = stores::begin_long_read(&app.pool).await?;
    let flaws = flaws(&mut conn, None).await?;
    let listings = Listings::stream(&mut conn, &definition.filter);
    let mut slices = listings.try_chunks(SLICE);
    while let Some(slice) = slices.next().await {
        let mut slice = slice.map_err(|cut| cut.1)?;
        let shown = shown(app, definition, &slice).await?;
        for listing in &mut slice {
            let Some(dealer) = dealers.get(&listing.dealer_id) else {
                continue;
            };
            let placeholders = flaws.leave_out(&mut listing.details.image_urls, &shown);
            let unit = Unit {
                listing,
                dealer,
                site: &app.site,
                placeholders,
            };
            if let Err(reasons) = feed.write(&unit, &mut chunk) {
                exclusions.push(Exclusion {
                    listing_id: listing.id,
                    reasons,
                });
            }
            if chunk.len() >= CHUNK_BYTES {
                send(&mut chunk, run, &mut digest, upload).await?;
            }
        }
    }
    send(&mut chunk, run, &mut digest, upload).await?;
    run.rows = i64::try_from(feed.rows).unwrap_or(i64::MAX);
    run.excluded = i64::try_from(feed.excluded).unwrap_or(i64::MAX);
    run.diagnostics = serde_json::to_value(&feed.diagnostics)?;
    run.digest = Some(digest.finalize().to_hex().to_string());
    Ok(exclusions)
}

/// Where the feed's upload provider shows what these units' addresses lead to.
pub async fn shown(
    app: &App,
    definition: &Definition,
    listings: &[Listing],
) -> Result<HashMap<String, String>, StoreError> {
    let Some(provider) = &definition.photos_by else {
        return Ok(HashMap::new());
    };
    let urls = listings
        .iter()
        .flat_map(|unit| unit.details.image_urls.clone());
    let mut conn = app.pool.acquire().await?;
    Photos::shown_at(&mut conn, provider, &urls.collect::<Vec<_>>()).await
}

/// What is known to speak against photos of these listings, or of all.
pub async fn flaws(conn: &mut PgConnection, listings: Option<&[i64]>) -> Result<Flaws, StoreError> {
    let mut flaws = Flaws::default();
    for photo in Photos::unfit(conn, listings).await? {
        let flaw = if photo.placeholder {
            Flaw::Placeholder
        } else {
            Flaw::Lost
        };
        flaws.add(&photo.url, flaw);
    }
    Ok(flaws)
}

async fn send(
    chunk: &mut Vec<u8>,
    run: &mut FeedRun,
    digest: &mut blake3::Hasher,
    upload: &mut Upload,
) -> Result<(), JobError> {
    digest.update(chunk);
    run.bytes += i64::try_from(chunk.len()).unwrap_or(0);
    upload.write(chunk).await?;
    chunk.clear();
    Ok(())
}

#[derive(Clone, Debug)]
enum Verdict {
    Publish,
    Unchanged(Box<FeedRun>),
    Hold(String),
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Publish => "published",
            Self::Unchanged(_) => "unchanged",
            Self::Hold(_) => "held",
        }
    }
}

/// Against the run that is published now.
fn judge(definition: &Definition, run: &FeedRun, latest: Option<&FeedRun>) -> Verdict {
    let Some(latest) = latest else {
        return Verdict::Publish;
    };
    if latest.digest == run.digest && latest.object_key.is_some() {
        return Verdict::Unchanged(Box::new(latest.clone()));
    }
    let drop = i64::from(definition.guard.max_drop_percent);
    if run.rows * 100 < latest.rows * (100 - drop) {
        return Verdict::Hold(format!(
            "{} rows, the published run has {}: more than {drop} % fewer",
            run.rows, latest.rows
        ));
    }
    Verdict::Publish
}

/// The ledger, the pointer and the alert in one transaction: PostgreSQL decides who publishes.
async fn end(
    app: &App,
    feed: &FeedRow,
    turn: &Lock,
    run: &FeedRun,
    exclusions: &[Exclusion],
    verdict: &Verdict,
) -> Result<(), JobError> {
    let mut tx = app.pool.begin().await?;
    turns::still_ours(&mut tx, turn).await?;
    if !Feeds::finish_run(&mut tx, run, exclusions).await? {
        return Err(JobError::Snooze {
            after: Duration::from_secs(1),
            reason: format!("run {} was ended by another attempt", run.id),
        });
    }
    match verdict {
        Verdict::Publish => {
            Feeds::publish(&mut tx, feed.id, run.id).await?;
            Alerts::resolve(&mut tx, "feed_held", &feed.key).await?;
        }
        Verdict::Unchanged(_) => Alerts::resolve(&mut tx, "feed_held", &feed.key).await?,
        Verdict::Hold(reason) => {
            Alerts::raise(&mut tx, "feed_held", "critical", &feed.key, reason).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// The copy follows the pointer. A crash in between is mended by the retry, which finds its own
/// run published and copies again.
async fn point_latest(
    app: &App,
    feed: &FeedRow,
    definition: &Definition,
    run: &FeedRun,
) -> Result<(), JobError> {
    let current = Feeds::find(&mut *app.pool.acquire().await?, &feed.key).await?;
    if let Some(key) = &run.object_key
        && current.is_some_and(|feed| feed.latest_run_id == Some(run.id))
    {
        let latest = format!(
            "feeds/{}/latest.{}",
            feed.key,
            definition.format.extension()
        );
        app.objects.copy(key, &latest).await?;
    }
    Ok(())
}
