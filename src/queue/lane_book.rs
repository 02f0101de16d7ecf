//! What a process knows of the lanes: their ids, and their gates as they were a moment ago.

use crate::lanes::{Gate, Lane, gate, moved_on};
use crate::{Limit, QueueName};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A pause, a limit or a breaker set elsewhere takes effect here this soon.
const FRESH: Duration = Duration::from_millis(100);

pub(crate) struct LaneBook {
    /// Only committed lanes are remembered: they are made on the connection kept for it, never in a
    /// transaction that may still roll back.
    ids: Mutex<HashMap<(QueueName, String), i32>>,
    gates: Mutex<HashMap<QueueName, (Instant, Vec<Lane>)>>,
    /// An enqueue holds its caller's connection while it opens a lane: were that to come from the same
    /// pool, enough callers at once would wait for each other for ever.
    opening: PgPool,
}

/// A lane that may be claimed now.
#[derive(Clone, Debug)]
pub(crate) struct OpenLane {
    pub(crate) id: i32,
    pub(crate) partner: String,
    pub(crate) limits: Vec<Limit>,
}

impl LaneBook {
    pub(crate) fn new(opening: PgPool) -> Self {
        Self {
            ids: Mutex::default(),
            gates: Mutex::default(),
            opening,
        }
    }

    pub(crate) async fn id(&self, queue: QueueName, partner: &str) -> sqlx::Result<i32> {
        let key = (queue, partner.to_owned());
        let known = lock(&self.ids).get(&key).copied();
        if let Some(id) = known {
            return Ok(id);
        }
        let id = ensure_lane(&self.opening, queue, partner).await?;
        lock(&self.ids).insert(key, id);
        Ok(id)
    }

    /// The lanes of a queue that may be claimed. Read again when told that something was enqueued
    /// elsewhere, since another process may have opened a lane.
    pub(crate) async fn open(
        &self,
        pool: &PgPool,
        queue: QueueName,
        again: bool,
    ) -> sqlx::Result<Vec<OpenLane>> {
        let held = lock(&self.gates).get(&queue).cloned();
        if let Some((read, lanes)) = held
            && !again
            && read.elapsed() < FRESH
        {
            return Ok(open_of(&lanes, read.elapsed()));
        }
        let lanes = Lane::list(&mut *pool.acquire().await?, Some(queue)).await?;
        let open = open_of(&lanes, Duration::ZERO);
        lock(&self.gates).insert(queue, (Instant::now(), lanes));
        Ok(open)
    }
}

fn open_of(lanes: &[Lane], since: Duration) -> Vec<OpenLane> {
    lanes
        .iter()
        .filter_map(|lane| match gate(lane, moved_on(lane.as_of, since)) {
            Gate::Open { limits } => Some(OpenLane {
                id: lane.id,
                partner: lane.partner.clone(),
                limits,
            }),
            Gate::Blocked { .. } => None,
        })
        .collect()
}

async fn ensure_lane(pool: &PgPool, queue: QueueName, partner: &str) -> sqlx::Result<i32> {
    if !partner.is_empty() {
        sqlx::query!(
            "INSERT INTO partners (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
            partner
        )
        .execute(pool)
        .await?;
    }
    // A lane opened while its queue is paused is paused too.
    sqlx::query!(
        "INSERT INTO lanes (queue, partner, paused_by, paused_at)
         SELECT $1, $2, p.paused_by, p.paused_at
         FROM (SELECT 1) one LEFT JOIN lanes p ON p.queue = $1 AND p.partner = ''
         ON CONFLICT (queue, partner) DO NOTHING",
        queue.as_str(),
        partner
    )
    .execute(pool)
    .await?;
    sqlx::query_scalar!(
        "SELECT id FROM lanes WHERE queue = $1 AND partner = $2",
        queue.as_str(),
        partner
    )
    .fetch_one(pool)
    .await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
