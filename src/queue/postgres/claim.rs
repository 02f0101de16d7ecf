//! Claiming, with a mark per lane and priority that keeps the scan behind the dead tuples.

use crate::engine::{Claim, Claimed, LEASE};
use crate::inspect::stamp;
use crate::lane_book::{LaneBook, OpenLane};
use crate::lanes::{Gate, Lane, gate};
use crate::{Envelope, Priority, QueueName};
use sqlx::{PgConnection, PgPool};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The last claimed (run_at in microseconds, id) of each lane and priority.
#[derive(Default)]
pub(super) struct Marks(Mutex<HashMap<(i32, i16), Mark>>, Alone, Turns);

/// When each queue's quarantine was last found empty.
type Alone = Mutex<HashMap<QueueName, Instant>>;

/// Claims of each queue so far: whose turn it is.
type Turns = Mutex<HashMap<QueueName, usize>>;

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
/// One claim in so many looks first at jobs of lower priority that have been due for long.
const AGED_EVERY: usize = 4;
const AGED: Duration = Duration::from_secs(300);
/// The class of the advisory locks that claims against a limit take turns by.
const LIMIT_LOCKS: i32 = 0x4643_0001;

struct Bounds {
    lanes: Vec<i32>,
    priorities: Vec<i16>,
    marks: Vec<i64>,
    mark_ids: Vec<i64>,
    swept: Vec<(i32, i16)>,
    /// At most this many of one lane and priority.
    share: usize,
    /// Only jobs that have been due for this long.
    age: Duration,
}

pub(super) async fn claim(
    pool: &PgPool,
    lanes: &LaneBook,
    marks: &Marks,
    claim: Claim<'_>,
) -> sqlx::Result<Vec<Claimed>> {
    let lanes = lanes.open(pool, claim.queue, claim.woken).await?;
    let (free, limited): (Vec<OpenLane>, Vec<OpenLane>) =
        lanes.into_iter().partition(|lane| lane.limits.is_empty());
    let mut groups: Vec<Vec<OpenLane>> = limited.into_iter().map(|lane| vec![lane]).collect();
    if !free.is_empty() {
        groups.push(free);
    }
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let alone = claim.rescued && marks.alone_due(claim.queue, claim.woken);
    let turn = marks.turn(claim.queue);
    let count = groups.len();
    groups.rotate_left(turn % count);
    let mut jobs = Vec::new();
    // Each group its share of what is left: one partner's backlog does not take it all.
    for (place, group) in groups.iter().enumerate() {
        let share = (claim.max - jobs.len()).div_ceil(count - place);
        let look = Look {
            marks,
            claim: &claim,
            lanes: group,
            max: share,
            alone,
            turn,
        };
        let found = match look.look(pool).await {
            Ok(found) => found,
            Err(error) => {
                keep(&jobs, error)?;
                break;
            }
        };
        let was_alone = found.iter().any(|job| job.alone);
        jobs.extend(found);
        if was_alone || jobs.len() >= claim.max {
            break;
        }
    }
    Ok(jobs)
}

/// One look at lanes that share their limits, or have none.
struct Look<'a> {
    marks: &'a Marks,
    claim: &'a Claim<'a>,
    lanes: &'a [OpenLane],
    max: usize,
    /// The quarantine comes first.
    alone: bool,
    turn: usize,
}

impl Look<'_> {
    async fn look(&self, pool: &PgPool) -> sqlx::Result<Vec<Claimed>> {
        if self.lanes.iter().all(|lane| lane.limits.is_empty()) {
            return self.take(&mut *pool.acquire().await?).await;
        }
        self.within_limits(pool).await
    }

    /// Counting what runs and claiming more must be one step: whoever claims against the same limit waits.
    async fn within_limits(&self, pool: &PgPool) -> sqlx::Result<Vec<Claimed>> {
        let mut tx = pool.begin().await?;
        let mut keys: Vec<String> = self
            .lanes
            .iter()
            .flat_map(|lane| lane.limits.iter().map(|limit| limit.scope.key()))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            sqlx::query!(
                "SELECT pg_advisory_xact_lock($1, hashtext($2))",
                LIMIT_LOCKS,
                key
            )
            .execute(&mut *tx)
            .await?;
        }
        let lanes = Lane::list(&mut tx, Some(self.claim.queue)).await?;
        let ours = lanes
            .iter()
            .filter(|l| self.lanes.iter().any(|mine| mine.id == l.id));
        let mut room = self.max;
        for lane in ours {
            match gate(lane, lane.as_of) {
                Gate::Open { limits } => {
                    let least = limits.iter().map(|l| l.max.saturating_sub(l.running)).min();
                    let least = least.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
                    room = room.min(least);
                }
                Gate::Blocked { .. } => room = 0,
            }
        }
        if room == 0 {
            return Ok(Vec::new());
        }
        let jobs = Look { max: room, ..*self }.take(&mut tx).await?;
        tx.commit().await?;
        Ok(jobs)
    }

    async fn take(&self, conn: &mut PgConnection) -> sqlx::Result<Vec<Claimed>> {
        // A rescued job must not wait behind a long queue, nor cost every claim a look.
        if self.alone {
            let jobs = self.take_alone(conn).await?;
            if !jobs.is_empty() {
                return Ok(jobs);
            }
        }
        let mut jobs = self.take_aged(conn).await?;
        let levels = Priority::ALL.map(Priority::level);
        let bounds = self.bounds(&levels, false);
        let swept_all = bounds.swept.len() == bounds.lanes.len();
        match self.take_fairly(conn, bounds, self.max - jobs.len()).await {
            Ok(fair) => jobs.extend(fair),
            Err(error) => keep(&jobs, error)?,
        }
        if jobs.is_empty() && !swept_all && self.marks.may_sweep(self.lanes, &levels) {
            // Nothing above the marks: look below them before calling the queue dry.
            let bounds = self.bounds(&levels, true);
            jobs = self.take_fairly(conn, bounds, self.max).await?;
        }
        if jobs.is_empty() && !self.alone && self.claim.rescued {
            jobs = self.take_alone(conn).await?;
        }
        Ok(jobs)
    }

    /// One quarantined job, in a batch of its own.
    async fn take_alone(&self, conn: &mut PgConnection) -> sqlx::Result<Vec<Claimed>> {
        let bounds = self.bounds(&quarantine(), true);
        let mut jobs = take(conn, self, bounds, 1).await?;
        // While there is one there may be more: the next claim looks again.
        self.marks.looked_alone(self.claim.queue, jobs.is_empty());
        jobs.iter_mut().for_each(|job| job.alone = true);
        Ok(jobs)
    }

    /// Priority is no starvation: now and then those that have waited longest come first.
    async fn take_aged(&self, conn: &mut PgConnection) -> sqlx::Result<Vec<Claimed>> {
        if !self.turn.is_multiple_of(AGED_EVERY) {
            return Ok(Vec::new());
        }
        let levels = [Priority::Low.level(), Priority::Normal.level()];
        let mut bounds = self.bounds(&levels, false);
        bounds.age = AGED;
        take(conn, self, bounds, self.max.div_ceil(AGED_EVERY)).await
    }

    /// Every lane up to its share first, then whoever has more.
    async fn take_fairly(
        &self,
        conn: &mut PgConnection,
        mut bounds: Bounds,
        max: usize,
    ) -> sqlx::Result<Vec<Claimed>> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let share = max.div_ceil(self.lanes.len().max(1));
        bounds.share = share;
        let mut jobs = take(conn, self, bounds, max).await?;
        let left = max - jobs.len();
        let more = self.lanes.len() > 1
            && left > 0
            && self
                .lanes
                .iter()
                .any(|lane| jobs.iter().filter(|job| job.lane == lane.id).count() >= share);
        if more {
            let bounds = self.bounds(&Priority::ALL.map(Priority::level), false);
            match take(conn, self, bounds, left).await {
                Ok(more) => jobs.extend(more),
                Err(error) => keep(&jobs, error)?,
            }
        }
        Ok(jobs)
    }

    fn partner(&self, lane: i32) -> String {
        let found = self.lanes.iter().find(|open| open.id == lane);
        found.map(|open| open.partner.clone()).unwrap_or_default()
    }

    fn bounds(&self, levels: &[i16], sweep: bool) -> Bounds {
        let mut lanes: Vec<i32> = self.lanes.iter().map(|lane| lane.id).collect();
        let count = lanes.len().max(1);
        lanes.rotate_left(self.turn % count);
        self.marks.bounds(&lanes, levels, sweep)
    }
}

/// What an earlier look has claimed must not be forgotten when a later one fails: its lease would have to run
/// out. Nothing claimed, nothing kept: that is the error it is.
fn keep(jobs: &[Claimed], error: sqlx::Error) -> sqlx::Result<()> {
    if jobs.is_empty() {
        return Err(error);
    }
    tracing::warn!(%error, kept = jobs.len(), "a part of a claim failed");
    Ok(())
}

fn quarantine() -> [i16; 3] {
    Priority::ALL.map(|priority| -1 - priority.level())
}

async fn take(
    conn: &mut PgConnection,
    look: &Look<'_>,
    bounds: Bounds,
    max: usize,
) -> sqlx::Result<Vec<Claimed>> {
    let (marks, claim) = (look.marks, look.claim);
    let token = crate::random_token();
    let begun = Instant::now();
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let share = i64::try_from(bounds.share).unwrap_or(i64::MAX).min(max);
    let rows = sqlx::query_file!(
        "queries/claim.sql",
        claim.worker,
        token,
        max,
        &bounds.lanes,
        &bounds.priorities,
        &bounds.marks,
        &bounds.mark_ids,
        LEASE.as_secs_f64(),
        share,
        bounds.age.as_secs_f64()
    )
    .fetch_all(&mut *conn)
    .await?;
    marks.swept(&bounds.swept, begun.elapsed());
    let received = Instant::now();
    // UPDATE … RETURNING has no order of its own.
    let mut rows = rows;
    rows.sort_by_key(|row| (row.priority, row.run_at, row.id));
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
            lane: row.lane,
            partner: look.partner(row.lane),
            alone: false,
            rescues: u16::try_from(row.rescues).unwrap_or_default(),
            attempt: Arc::default(),
        })
        .collect())
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

impl Marks {
    fn turn(&self, queue: QueueName) -> usize {
        let mut turns = self.2.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(queue).or_default();
        *turn = turn.wrapping_add(1);
        *turn
    }

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
            share: usize::MAX,
            age: Duration::ZERO,
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

    fn may_sweep(&self, lanes: &[OpenLane], levels: &[i16]) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().all(|lane| {
            levels.iter().all(|&level| {
                held.get(&(lane.id, level))
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
