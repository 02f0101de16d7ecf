//! Claiming, with a mark per lane and priority that keeps the scan behind the dead tuples.

use super::enqueue::LaneIds;
use crate::engine::{Claim, Claimed, LEASE};
use crate::inspect::stamp;
use crate::{Envelope, Priority, QueueName};
use sqlx::PgPool;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The last claimed (run_at in microseconds, id) of each lane and priority.
#[derive(Default)]
pub(super) struct Marks(Mutex<HashMap<(i32, i16), Mark>>, Alone);

/// When each queue's quarantine was last found empty.
type Alone = Mutex<HashMap<QueueName, Instant>>;

#[derive(Clone, Copy)]
struct Mark {
    at: (i64, i64),
    swept: Instant,
    /// A sweep may not cost more than a fiftieth of the time.
    sweep_every: Duration,
}

/// Jobs committed late, below the mark, wait at most this long on a quiet table.
const SWEEP_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// After a wake-up an empty claim looks below the mark, but not more often than this.
const SWEEP_AT_MOST_EVERY: Duration = Duration::from_millis(50);
const SWEEP_SHARE: u32 = 50;
/// A quarantine that was empty is not looked into again for this long while other work is there.
const ALONE_EVERY: Duration = Duration::from_millis(200);

struct Bounds {
    lanes: Vec<i32>,
    priorities: Vec<i16>,
    marks: Vec<i64>,
    mark_ids: Vec<i64>,
    swept: Vec<(i32, i16)>,
}

pub(super) async fn claim(
    pool: &PgPool,
    lanes: &LaneIds,
    marks: &Marks,
    claim: Claim<'_>,
) -> sqlx::Result<Vec<Claimed>> {
    let lanes = lanes.of_queue(pool, claim.queue, claim.woken).await?;
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    // A rescued job must not wait behind a long queue, nor cost every claim a look.
    if marks.alone_due(claim.queue, claim.woken) {
        let jobs = take_alone(pool, marks, &claim, &lanes).await?;
        if !jobs.is_empty() {
            return Ok(jobs);
        }
    }
    let levels = Priority::ALL.map(Priority::level);
    let bounds = marks.bounds(&lanes, &levels, false);
    let swept_all = bounds.swept.len() == bounds.lanes.len();
    let mut jobs = take(pool, marks, &claim, bounds, claim.max).await?;
    if jobs.is_empty() && !swept_all && marks.may_sweep(&lanes, &levels) {
        // Nothing above the marks: look below them before calling the queue dry.
        let bounds = marks.bounds(&lanes, &levels, true);
        jobs = take(pool, marks, &claim, bounds, claim.max).await?;
    }
    if jobs.is_empty() {
        jobs = take_alone(pool, marks, &claim, &lanes).await?;
    }
    Ok(jobs)
}

/// One quarantined job, in a batch of its own.
async fn take_alone(
    pool: &PgPool,
    marks: &Marks,
    claim: &Claim<'_>,
    lanes: &[i32],
) -> sqlx::Result<Vec<Claimed>> {
    let bounds = marks.bounds(lanes, &quarantine(), true);
    let jobs = take(pool, marks, claim, bounds, 1).await?;
    // While there is one there may be more: the next claim looks again.
    marks.looked_alone(claim.queue, jobs.is_empty());
    Ok(jobs)
}

fn quarantine() -> [i16; 3] {
    Priority::ALL.map(|priority| -1 - priority.level())
}

async fn take(
    pool: &PgPool,
    marks: &Marks,
    claim: &Claim<'_>,
    bounds: Bounds,
    max: usize,
) -> sqlx::Result<Vec<Claimed>> {
    let token = random_token();
    let begun = Instant::now();
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = sqlx::query_file!(
        "queries/claim.sql",
        claim.worker,
        token,
        max,
        &bounds.lanes,
        &bounds.priorities,
        &bounds.marks,
        &bounds.mark_ids,
        LEASE.as_secs_f64()
    )
    .fetch_all(pool)
    .await?;
    marks.swept(&bounds.swept, begun.elapsed());
    let received = Instant::now();
    // UPDATE … RETURNING has no order of its own.
    let mut rows = rows;
    rows.sort_by_key(|row| (row.priority, row.run_at, row.id));
    let freed: Vec<i64> = rows.iter().filter(|r| r.frees_key).map(|r| r.id).collect();
    if !freed.is_empty() {
        free_keys(pool, &freed, token).await?;
    }
    marks.advance(
        rows.iter()
            .map(|r| ((r.lane, r.priority), (micros(r.run_at), r.id))),
    );
    Ok(rows
        .into_iter()
        .map(|row| Claimed {
            id: row.id,
            token,
            attempts_used: u16::try_from(row.attempt).unwrap_or_default(),
            max_attempts: u16::try_from(row.max_attempts).unwrap_or(1),
            envelope: Envelope {
                kind: row.kind,
                version: row.version,
                args: row.args,
            },
            run_id: row.run_id,
            created_at: stamp(row.created_at),
            claimed_at: stamp(row.now),
            received,
        })
        .collect())
}

/// `while_queued` keys end here. Not a HOT update, and few.
async fn free_keys(pool: &PgPool, ids: &[i64], token: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE jobs_hot SET unique_key = NULL WHERE id = ANY($1) AND token = $2",
        ids,
        token
    )
    .execute(pool)
    .await?;
    Ok(())
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

/// Random, so that a claim lost in a crash can never have its token reissued.
fn random_token() -> i64 {
    random() >> 1
}

#[expect(clippy::cast_possible_wrap, reason = "any 63 bits will do")]
fn random() -> i64 {
    let bits = std::hash::RandomState::new().build_hasher().finish();
    (bits & (u64::MAX >> 1)) as i64
}

impl Marks {
    fn alone_due(&self, queue: QueueName, woken: bool) -> bool {
        let seen = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        woken
            || seen
                .get(&queue)
                .is_none_or(|at| at.elapsed() >= ALONE_EVERY)
    }

    fn looked_alone(&self, queue: QueueName, empty: bool) {
        let mut seen = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if empty {
            seen.insert(queue, Instant::now());
        } else {
            seen.remove(&queue);
        }
    }

    /// Where to look, in order: by priority, then lane. A due sweep looks from the start.
    fn bounds(&self, lanes: &[i32], levels: &[i16], sweep: bool) -> Bounds {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bounds = Bounds {
            lanes: Vec::new(),
            priorities: Vec::new(),
            marks: Vec::new(),
            mark_ids: Vec::new(),
            swept: Vec::new(),
        };
        for &level in levels {
            for &lane in lanes {
                let mark = held.entry((lane, level)).or_insert_with(Mark::fresh);
                let due = mark.swept.elapsed() >= mark.sweep_every.max(SWEEP_AT_LEAST_EVERY);
                let (at, id) = if sweep || due || mark.at == (0, 0) {
                    bounds.swept.push((lane, level));
                    (0, 0)
                } else {
                    mark.at
                };
                bounds.lanes.push(lane);
                bounds.priorities.push(level);
                bounds.marks.push(at);
                bounds.mark_ids.push(id);
            }
        }
        bounds
    }

    fn may_sweep(&self, lanes: &[i32], levels: &[i16]) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().all(|&lane| {
            levels.iter().all(|&level| {
                held.get(&(lane, level))
                    .is_none_or(|mark| mark.swept.elapsed() >= mark.sweep_every)
            })
        })
    }

    fn swept(&self, swept: &[(i32, i16)], took: Duration) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in swept {
            let mark = held.entry(*key).or_insert_with(Mark::fresh);
            mark.swept = Instant::now();
            mark.sweep_every = (took * SWEEP_SHARE).max(SWEEP_AT_MOST_EVERY);
            mark.at = (0, 0);
        }
    }

    fn advance(&self, claimed: impl Iterator<Item = ((i32, i16), (i64, i64))>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in claimed {
            let mark = held.entry(key).or_insert_with(Mark::fresh);
            mark.at = mark.at.max(at);
        }
    }
}

impl Mark {
    fn fresh() -> Self {
        Self {
            at: (0, 0),
            swept: Instant::now(),
            sweep_every: SWEEP_AT_MOST_EVERY,
        }
    }
}
