//! What a night came to: one JSON line for programs, a few lines for people.

use crate::platform::Platform;
use anyhow::{Context, Result};
use api::IndexTailer;
use jiff::Timestamp;
use queue::Runs;
use search::{Facet, Query};
use serde::Serialize;
use std::time::Instant;
use stores::{Archives, Feeds, Files, Listings, PhotoCounts, Photos, Vins};

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    night: Night,
    listings: Stock,
    vins: VinCounts,
    photos: PhotoCounts,
    feeds: Vec<FeedSummary>,
    search: SearchSummary,
    pub(super) jobs: JobCounts,
    elapsed_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Night {
    files: i64,
    rows: i64,
    rejects: i64,
    held: i64,
}

#[derive(Debug, Serialize)]
struct Stock {
    vehicles: i64,
    equipment: i64,
    parents: i64,
    archived: i64,
}

#[derive(Debug, Serialize)]
struct VinCounts {
    decoded: i64,
    contradictions: i64,
}

#[derive(Debug, Serialize)]
struct FeedSummary {
    feed: String,
    rows: i64,
    excluded: i64,
    bytes: i64,
    digest: String,
}

#[derive(Debug, Serialize)]
struct SearchSummary {
    total: usize,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct JobCounts {
    done: i64,
    retried: i64,
    pub(super) dead: i64,
}

pub(super) async fn summarise(
    platform: &Platform,
    search: &IndexTailer,
    runs: &[i64],
    since: Timestamp,
    begun: Instant,
) -> Result<Summary> {
    let mut conn = platform.app.pool.acquire().await?;
    let (files, held, counts) = Files::totals(&mut conn, since).await?;
    let (vehicles, equipment, parents) = Listings::counts(&mut conn).await?;
    let (decoded, contradictions) = Vins::counts(&mut conn).await?;
    let photos = Photos::counts(&mut conn).await?;
    let mut feeds = Vec::new();
    for feed in Feeds::list(&mut conn).await? {
        // A build that follows the change log may be under way.
        let runs = Feeds::runs(&mut conn, &feed.key, 5).await?;
        let run = runs
            .into_iter()
            .find(|run| run.finished_at.is_some())
            .context("a feed without a run")?;
        feeds.push(FeedSummary {
            feed: feed.key,
            rows: run.rows,
            excluded: run.excluded,
            bytes: run.bytes,
            digest: run.digest.unwrap_or_default(),
        });
    }
    let progress = Runs::progress(&mut conn, runs).await?;
    Ok(Summary {
        night: Night {
            files,
            rows: counts.rows,
            rejects: counts.rejected + counts.duplicates,
            held,
        },
        listings: Stock {
            vehicles,
            equipment,
            parents,
            archived: Archives::count(&mut conn).await?,
        },
        vins: VinCounts {
            decoded,
            contradictions,
        },
        photos,
        feeds,
        search: searched(search),
        jobs: JobCounts {
            done: progress.done,
            retried: progress.retried,
            dead: progress.dead,
        },
        elapsed_seconds: begun.elapsed().as_secs_f64(),
    })
}

/// A few hundred questions with every facet, in process.
fn searched(search: &IndexTailer) -> SearchSummary {
    let snapshot = search.index.snapshot();
    let mut query = Query::new(domain::Kind::Vehicle);
    query.facets = Facet::ALL.to_vec();
    let makes: Vec<String> = snapshot
        .answer(&query)
        .facets
        .remove(&Facet::Make)
        .unwrap_or_default()
        .into_iter()
        .map(|count| count.value)
        .collect();
    let mut times: Vec<f64> = (0..200)
        .map(|n| {
            if !makes.is_empty() {
                query
                    .filters
                    .insert(Facet::Make, vec![makes[n % makes.len()].clone()]);
            }
            let begun = Instant::now();
            let _ = snapshot.answer(&query);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    SearchSummary {
        total: snapshot.len(),
        p50_ms: times[times.len() / 2],
        p99_ms: times[times.len() * 99 / 100],
    }
}

impl Summary {
    pub(super) fn words(&self) -> String {
        let mut lines = vec![
            String::new(),
            format!(
                "night      {} files, {} rows, {} rejected or double, {} held",
                self.night.files, self.night.rows, self.night.rejects, self.night.held
            ),
            format!(
                "stock      {} vehicles, {} machines on the lot, {} parents, {} archived",
                self.listings.vehicles,
                self.listings.equipment,
                self.listings.parents,
                self.listings.archived
            ),
            format!(
                "vins       {} decoded, {} contradictions",
                self.vins.decoded, self.vins.contradictions
            ),
        ];
        lines.push(format!(
            "photos     {} hashed, {} duplicates, {} placeholders, {} problems",
            self.photos.hashed,
            self.photos.duplicates,
            self.photos.placeholders,
            self.photos.problems
        ));
        for feed in &self.feeds {
            lines.push(format!(
                "feed       {}: {} rows, {} left out, {} bytes, digest {:.12}",
                feed.feed, feed.rows, feed.excluded, feed.bytes, feed.digest
            ));
        }
        lines.push(format!(
            "search     {} units, p50 {:.2} ms, p99 {:.2} ms",
            self.search.total, self.search.p50_ms, self.search.p99_ms
        ));
        lines.push(format!(
            "jobs       {} done, {} retried, {} dead, in {:.1} s",
            self.jobs.done, self.jobs.retried, self.jobs.dead, self.elapsed_seconds
        ));
        lines.join("\n")
    }
}
