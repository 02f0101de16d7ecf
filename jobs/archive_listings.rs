//! Move units that left the lot long ago out of the hot tables into compressed objects.
//!
//! Starts: cron, or `forecourt archive run`.
//! Reads: `listings`, `price_history`. Writes: objects `archive/{job}-{attempt}-{n}.ndjson.zst` with a manifest
//! beside each, `archives`, `archived_listings`; deletes from `listings`.
//! Twice: what is archived is not there any more. The object comes first, so a crash leaves an object nobody
//! names, never a unit that is nowhere.

use crate::App;
use queue::{Job, JobContext, JobError, Outcome, Policy, Priority, QueueName};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Archivable, ArchiveRow, Archives};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ArchiveListings {
    /// Units sold or removed for more days than this.
    #[serde(default = "quarter")]
    pub after_days: u32,
}

fn quarter() -> u32 {
    90
}

impl Default for ArchiveListings {
    fn default() -> Self {
        Self {
            after_days: quarter(),
        }
    }
}

/// Units of one object, and of one transaction.
const SLICE: i64 = 2_000;
/// zstd's own default: half the time of higher levels for a few per cent of size.
const LEVEL: i32 = 3;

#[derive(Debug, Default, Serialize)]
struct Report {
    archives: u64,
    listings: u64,
    bytes: i64,
}

/// Lies beside the object, so that an archive can be read without our database.
#[derive(Serialize)]
struct Manifest<'a> {
    object: &'a str,
    format: &'static str,
    rows: usize,
    bytes: i64,
    blake3: &'a str,
    job: i64,
}

impl Job for ArchiveListings {
    type App = App;
    const NAME: &'static str = "archive_listings";
    const POLICY: Policy = Policy {
        queue: QueueName::Upkeep,
        priority: Priority::Low,
        timeout: Duration::from_secs(60 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let mut report = Report::default();
        loop {
            let days = f64::from(self.after_days);
            let units = Archives::archivable(&mut *app.pool.acquire().await?, days, SLICE).await?;
            if units.is_empty() {
                return Ok(Outcome::Done(serde_json::to_value(report)?));
            }
            let key = format!(
                "archive/{}-{}-{}.ndjson.zst",
                cx.id, cx.attempt, report.archives
            );
            let (archive, left) = archive(app, cx.id, key, units).await?;
            report.archives += 1;
            report.listings += left;
            report.bytes += archive.bytes;
            if left == 0 {
                // All of them changed while we wrote: they are on their way back to the lot.
                return Ok(Outcome::Done(serde_json::to_value(report)?));
            }
        }
    }
}

async fn archive(
    app: &App,
    job: i64,
    key: String,
    units: Vec<Archivable>,
) -> Result<(ArchiveRow, u64), JobError> {
    let records: Vec<String> = units.iter().map(|unit| unit.record.clone()).collect();
    let packed = tokio::task::spawn_blocking(move || {
        let mut text = records.join("\n");
        text.push('\n');
        zstd::encode_all(text.as_bytes(), LEVEL)
    })
    .await??;
    let archive = ArchiveRow {
        id: 0,
        rows: i64::try_from(units.len()).unwrap_or(i64::MAX),
        bytes: i64::try_from(packed.len()).unwrap_or(i64::MAX),
        digest: blake3::hash(&packed).to_hex().to_string(),
        object_key: key,
        made_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let manifest = serde_json::to_vec_pretty(&Manifest {
        object: &archive.object_key,
        format: "newline-delimited JSON, zstd",
        rows: units.len(),
        bytes: archive.bytes,
        blake3: &archive.digest,
        job,
    })?;
    let beside = format!("{}.manifest.json", archive.object_key);
    app.objects
        .put(&archive.object_key, packed, "application/zstd")
        .await?;
    app.objects
        .put(&beside, manifest, "application/json")
        .await?;
    let mut tx = app.pool.begin().await?;
    let left = Archives::keep(&mut tx, &archive, job, &units).await?;
    tx.commit().await?;
    Ok((archive, left))
}
