//! Bring archived units back into the hot tables, as they left.
//!
//! Starts: an operator (`forecourt archive restore`), one job for each archive that is asked for.
//! Reads: an archive's object. Writes: `listings`, `price_history`, `changes`, `archived_listings`.
//! Twice: a unit that came back is not among those still out. An object whose digest is not the recorded one
//! is refused whole: half an archive is no archive.

use crate::App;
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use stores::Archives;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreListings {
    pub archive: i64,
    /// Only this one; all of the archive's when absent.
    #[serde(default)]
    pub listing: Option<i64>,
    /// Only this rooftop's, by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealer: Option<String>,
}

/// Units of one transaction.
const SLICE: usize = 500;
/// An archive of ours is a few megabytes unpacked; past this it is not one.
const LARGEST: usize = 1 << 30;

#[derive(Debug, Default, Serialize)]
struct Report {
    restored: usize,
    /// Their stock number is in use again.
    in_use: usize,
}

impl Job for RestoreListings {
    type App = App;
    const NAME: &'static str = "restore_listings";
    const POLICY: Policy = Policy {
        queue: QueueName::Upkeep,
        timeout: Duration::from_secs(30 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        let dealer = self.dealer.as_deref().unwrap_or_default();
        Some(format!(
            "{} {} {dealer}",
            self.archive,
            self.listing.unwrap_or(0)
        ))
    }

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        let mut conn = app.pool.acquire().await?;
        let archive = Archives::get(&mut conn, self.archive)
            .await
            .map_err(|error| JobError::reject(&error))?;
        let dealer = self.dealer.as_deref();
        let out: HashMap<i32, i64> = Archives::lines(&mut conn, archive.id, dealer)
            .await?
            .into_iter()
            .collect();
        drop(conn);
        let packed = app.objects.get(&archive.object_key).await?;
        let found = blake3::hash(&packed).to_hex().to_string();
        if found != archive.digest {
            return Err(JobError::reject_because(format!(
                "archive {} is damaged: object {} has digest {found}, recorded is {}",
                archive.id, archive.object_key, archive.digest
            )));
        }
        let text = tokio::task::spawn_blocking(move || unpacked(&packed)).await??;
        let mut records = Vec::new();
        for (line, record) in (0i32..).zip(text.lines()) {
            let Some(id) = out.get(&line) else { continue };
            if self.listing.is_none_or(|wanted| wanted == *id) {
                records.push(serde_json::from_str(record)?);
            }
        }
        if records.is_empty() && self.listing.is_some() {
            let message = format!(
                "archive {} has no such listing that is still out",
                archive.id
            );
            return Err(JobError::reject_because(message));
        }
        let mut report = Report::default();
        for slice in records.chunks(SLICE) {
            let mut tx = app.pool.begin().await?;
            let back = Archives::restore(&mut tx, archive.id, slice).await?;
            tx.commit().await?;
            report.restored += back.len();
            report.in_use += slice.len() - back.len();
        }
        Ok(Outcome::Done(serde_json::to_value(report)?))
    }
}

fn unpacked(packed: &[u8]) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    zstd::Decoder::new(packed)?
        .take(limit)
        .read_to_string(&mut text)?;
    Ok(text)
}
