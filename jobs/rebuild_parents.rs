//! Put the parents of rooftops together anew, after their units changed.
//!
//! Starts: the change dispatcher.
//! Reads: `parent_dirty`, `listings`. Writes: parents among `listings`, `parent_members`, an alert for
//! units whose parent leads back to themselves.
//! Twice: the same units make the same parents, and a parent that stays the same is not written.

use crate::App;
use domain::{Listing, ListingDraft, parents};
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName, Unique};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Alerts, Parents};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RebuildParents {}

#[derive(Debug, Default, Serialize)]
struct Report {
    rooftops: usize,
    parents: usize,
    created: i64,
    updated: i64,
    removed: i64,
    circular: usize,
}

impl Job for RebuildParents {
    type App = App;
    const NAME: &'static str = "rebuild_parents";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        timeout: Duration::from_secs(30 * 60),
        // A change that comes while it runs starts another.
        unique: Unique::WhileQueued,
        retention: Duration::from_secs(24 * 3600),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(self, app: &App, _: &JobContext) -> Result<Outcome, JobError> {
        let mut report = Report::default();
        // One rooftop that cannot be put together must not starve those behind it.
        let (mut after, mut problem) = (0, None);
        loop {
            let dirty = Parents::dirty(&mut *app.pool.acquire().await?, after, 100).await?;
            let Some((last, _)) = dirty.last() else { break };
            after = *last;
            for (dealer_id, position) in dirty {
                if let Err(error) = rebuild(app, dealer_id, position, &mut report).await {
                    problem.get_or_insert(error);
                }
            }
        }
        match problem {
            Some(problem) => Err(problem),
            None => Ok(Outcome::Done(serde_json::to_value(report)?)),
        }
    }
}

/// One rooftop in one transaction; changes behind `position` keep it dirty.
async fn rebuild(
    app: &App,
    dealer_id: i64,
    position: i64,
    report: &mut Report,
) -> Result<(), JobError> {
    let mut tx = app.pool.begin().await?;
    Parents::lock(&mut tx, dealer_id).await?;
    let units: Vec<Listing> = Parents::units(&mut tx, dealer_id).await?;
    let found = parents::group(&units);
    let drafts: Vec<ListingDraft> = found.groups.iter().map(|g| g.parent.clone()).collect();
    let done = Parents::put(&mut tx, dealer_id, &drafts).await?;
    report.removed += Parents::retire_others(&mut tx, dealer_id, &drafts).await?;
    let members: Vec<(&str, &[i64])> = found
        .groups
        .iter()
        .map(|group| (group.parent.stock_number.as_str(), group.members.as_slice()))
        .collect();
    Parents::set_members(&mut tx, dealer_id, &members).await?;
    let dealer = Parents::dealer_key(&mut tx, dealer_id).await?;
    if found.circular.is_empty() {
        Alerts::resolve(&mut tx, "circular_parents", &dealer).await?;
    } else {
        let shown: Vec<&str> = found.circular.iter().take(5).map(String::as_str).collect();
        let message = format!(
            "{} units name a parent that leads back to themselves: {}",
            found.circular.len(),
            shown.join(", ")
        );
        Alerts::raise(&mut tx, "circular_parents", "warning", &dealer, &message).await?;
    }
    Parents::clean(&mut tx, dealer_id, position).await?;
    tx.commit().await?;
    report.rooftops += 1;
    report.parents += drafts.len();
    report.created += done.created;
    report.updated += done.updated;
    report.circular += found.circular.len();
    Ok(())
}
