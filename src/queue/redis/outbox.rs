//! Enqueueing with PostgreSQL's transaction, and the relay that hands committed jobs to Redis.

use super::body::{Body, Tries};
use super::claim::SLICE;
use super::{RedisEngine, Res};
use crate::engine::Enqueued;
use crate::postgres::{enqueue_rows, stored_key};
use crate::{Enqueue, Unique};
use redis::Script;
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/push.lua")));

/// Looked at even without a wake-up.
const POLL: Duration = Duration::from_secs(1);
/// One script and one transaction carry this many.
const RELAYED: i64 = 500;

pub(super) async fn enqueue(
    engine: &RedisEngine,
    conn: &mut PgConnection,
    orders: &[Enqueue],
) -> Res<Vec<Enqueued>> {
    let (durable, fleeting): (Vec<usize>, Vec<usize>) =
        (0..orders.len()).partition(|index| orders[*index].policy.durable);
    let mut results = vec![
        Enqueued {
            id: 0,
            existing: false
        };
        orders.len()
    ];
    if !durable.is_empty() {
        let rows: Vec<Enqueue> = durable.iter().map(|index| orders[*index].clone()).collect();
        let enqueued = enqueue_rows(engine.lanes(), conn, &rows).await?;
        let fresh: Vec<i64> = enqueued
            .iter()
            .filter(|e| !e.existing)
            .map(|e| e.id)
            .collect();
        sqlx::query!(
            "INSERT INTO outbox (job_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING",
            &fresh
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!("SELECT pg_notify('forecourt_outbox', '')")
            .execute(&mut *conn)
            .await?;
        for (index, enqueued) in durable.into_iter().zip(enqueued) {
            results[index] = enqueued;
        }
    }
    for slice in fleeting.chunks(SLICE / 2) {
        let pushed = push_fleeting(engine, conn, orders, slice).await?;
        for (index, enqueued) in slice.iter().zip(pushed) {
            results[*index] = enqueued;
        }
    }
    Ok(results)
}

/// Kinds that are not durable go straight to Redis: they run even if the caller rolls back.
async fn push_fleeting(
    engine: &RedisEngine,
    conn: &mut PgConnection,
    orders: &[Enqueue],
    slice: &[usize],
) -> Res<Vec<Enqueued>> {
    let count = i32::try_from(slice.len()).unwrap_or(0);
    let ids = sqlx::query_scalar!(
        r#"SELECT nextval('job_ids') AS "id!" FROM generate_series(1, $1)"#,
        count
    )
    .fetch_all(conn)
    .await?;
    let (seconds, micros): (i64, i64) = engine.link.ask(&redis::cmd("TIME")).await?;
    let mut parcels = Vec::with_capacity(slice.len());
    for (index, id) in slice.iter().zip(&ids) {
        let order = &orders[*index];
        let unique = match order.policy.unique {
            Unique::Within(_) => None,
            _ => stored_key(order).map(|key| format!("{key} {}", order.envelope.kind)),
        };
        let body = Body {
            kind: order.envelope.kind.clone(),
            version: order.envelope.version,
            args: order.envelope.args.clone(),
            max_attempts: i16::try_from(order.policy.max_attempts).unwrap_or(i16::MAX),
            run_id: order.run_id,
            created_us: seconds * 1_000_000 + micros,
            level: order.priority.level(),
            lane: engine
                .lanes()
                .id(order.policy.queue, &order.partner)
                .await?,
            unique,
            frees_key: false,
            durable: false,
        };
        parcels.push(Parcel {
            id: *id,
            delay_ms: i64::try_from(order.delay.as_millis()).unwrap_or(i64::MAX / 2),
            tries: Tries::default(),
            queue: order.policy.queue.as_str().to_owned(),
            body,
        });
    }
    let held = push(engine, &parcels).await?;
    Ok(held
        .into_iter()
        .zip(ids)
        .map(|(held, id)| Enqueued {
            id: held,
            existing: held != id,
        })
        .collect())
}

struct Parcel {
    id: i64,
    delay_ms: i64,
    tries: Tries,
    queue: String,
    body: Body,
}

async fn push(engine: &RedisEngine, parcels: &[Parcel]) -> Res<Vec<i64>> {
    let keys = &engine.keys;
    let mut script = PUSH.prepare_invoke();
    script.key(&keys.body).key(&keys.tries).key(&keys.unique);
    let woken: BTreeSet<&str> = parcels
        .iter()
        .filter(|parcel| parcel.delay_ms <= 0)
        .map(|parcel| parcel.queue.as_str())
        .collect();
    let woken: Vec<&str> = woken.into_iter().collect();
    script.arg(&keys.wake).arg(woken.join(","));
    let mut places: HashMap<(i32, i16), usize> = HashMap::new();
    for parcel in parcels {
        let body = &parcel.body;
        let level = if parcel.tries.quarantined {
            -1 - body.level
        } else {
            body.level
        };
        let next = places.len() + 1;
        let place = *places.entry((body.lane, level)).or_insert_with(|| {
            script.key(keys.lane(body.lane, level));
            next
        });
        script
            .arg(parcel.id)
            .arg(body.json())
            .arg(parcel.delay_ms.max(0))
            .arg(place)
            .arg(parcel.tries.text())
            .arg(body.unique.as_deref().unwrap_or(""));
    }
    engine.link.run(&script).await
}

/// Hands over committed jobs for as long as it is polled. Any number of processes may: rows are
/// taken with SKIP LOCKED, and a row handed over twice is found there already.
pub(super) async fn relay_for_ever(engine: &RedisEngine) {
    let mut failing = false;
    loop {
        let listener = async {
            let mut listener = PgListener::connect_with(engine.pool()).await?;
            listener.listen("forecourt_outbox").await?;
            Ok::<_, sqlx::Error>(listener)
        };
        let mut listener = listener.await.ok();
        loop {
            match relay(engine).await {
                Ok(_) => failing = false,
                Err(error) => {
                    if !failing {
                        failing = true;
                        tracing::error!(%error, cause = ?std::error::Error::source(&error), "jobs cannot be handed to redis, trying again");
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            let Some(notes) = &mut listener else {
                tokio::time::sleep(POLL).await;
                break;
            };
            // An error here mends itself: the next receive connects again.
            let _ = tokio::time::timeout(POLL, notes.recv()).await;
        }
    }
}

/// How far the relay is, so that it need not walk over what was taken and is not vacuumed yet.
#[derive(Default)]
pub(super) struct Relayed(Mutex<(i64, Option<Instant>)>);

/// A job may be committed after jobs with higher ids: so far back is looked each time, and to the start once in a
/// while.
const LATE: i64 = 5_000;
const SWEEP: Duration = Duration::from_secs(1);

impl Relayed {
    fn begin(&self) -> i64 {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.1.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            held.1 = Some(Instant::now());
            return 0;
        }
        held.0 - LATE
    }

    /// Old ids are in the outbox again.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (0, None);
    }

    fn reached(&self, mark: i64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = held.0.max(mark);
    }
}

/// Everything committed so far; returns how many.
pub(super) async fn relay(engine: &RedisEngine) -> Res<usize> {
    let mut handed = 0;
    let mut mark = engine.relayed.begin();
    loop {
        let mut tx = engine.pool().begin().await?;
        // The rows are held until the commit, so that a job cannot end between being read and being given.
        let rows = sqlx::query_file!("queries/relay.sql", RELAYED, mark)
            .fetch_all(&mut *tx)
            .await?;
        let taken = rows.len();
        mark = rows.last().map_or(mark, |row| row.id);
        let parcels: Vec<Parcel> = rows
            .into_iter()
            .map(|row| Parcel {
                id: row.id,
                delay_ms: row.delay_ms,
                tries: Tries {
                    attempts: row.attempt,
                    snoozes: row.snoozes,
                    rescues: row.rescues,
                    quarantined: row.priority < 0,
                },
                queue: row.queue,
                body: Body {
                    kind: row.kind,
                    version: row.version,
                    args: row.args,
                    max_attempts: row.max_attempts,
                    run_id: row.run_id,
                    created_us: row.created_us,
                    level: if row.priority < 0 {
                        -1 - row.priority
                    } else {
                        row.priority
                    },
                    lane: row.lane,
                    unique: None,
                    frees_key: row.frees_key,
                    durable: true,
                },
            })
            .collect();
        if !parcels.is_empty() {
            push(engine, &parcels).await?;
        }
        let ids: Vec<i64> = parcels.iter().map(|parcel| parcel.id).collect();
        tx.commit().await?;
        super::lease::end_cancelled(engine, &ids).await?;
        handed += taken;
        engine.relayed.reached(mark);
        if i64::try_from(taken).unwrap_or(0) < RELAYED {
            return Ok(handed);
        }
    }
}
