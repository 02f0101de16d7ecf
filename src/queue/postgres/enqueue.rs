//! Enqueueing inside the caller's transaction.

use crate::lane_book::LaneBook;
use crate::{Enqueue, Enqueued, Unique};
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// A winner may be claimed between our insert and our look for it; then the key is free again. Each round waits for
/// another winner, so that a crowd of enqueuers is through when each has had its turn.
const ROUNDS: usize = 50;
/// One statement carries at most this many orders.
const SLICE: usize = 1_000;

pub(crate) async fn enqueue(
    lanes: &LaneBook,
    conn: &mut PgConnection,
    orders: &[Enqueue],
) -> sqlx::Result<Vec<Enqueued>> {
    let mut results: Vec<Option<Enqueued>> = vec![None; orders.len()];
    let mut rest = Vec::new();
    for (index, order) in orders.iter().enumerate() {
        match (order.policy.unique, &order.key) {
            (Unique::Within(window), Some(key)) => {
                results[index] = keep(lanes, conn, order, key, window).await?;
            }
            _ => rest.push(index),
        }
    }
    for _ in 0..ROUNDS {
        if rest.is_empty() {
            break;
        }
        for slice in rest.chunks(SLICE) {
            insert(lanes, conn, orders, slice, &mut results).await?;
        }
        rest.retain(|index| results[*index].is_none());
        look_up(conn, orders, &rest, &mut results).await?;
        rest.retain(|index| results[*index].is_none());
    }
    wake(conn, orders).await?;
    results
        .into_iter()
        .map(|result| {
            result.ok_or_else(|| {
                sqlx::Error::Protocol(
                    "a unique key changed hands fifty times in one enqueue".into(),
                )
            })
        })
        .collect()
}

async fn insert(
    lanes: &LaneBook,
    conn: &mut PgConnection,
    orders: &[Enqueue],
    slice: &[usize],
    results: &mut [Option<Enqueued>],
) -> sqlx::Result<()> {
    let mut lane_ids = Vec::with_capacity(slice.len());
    for &index in slice {
        let order = &orders[index];
        lane_ids.push(lanes.id(order.policy.queue, &order.partner).await?);
    }
    let of = |f: fn(&Enqueue) -> i64| slice.iter().map(|i| f(&orders[*i])).collect::<Vec<i64>>();
    let text = |f: fn(&Enqueue) -> String| {
        slice
            .iter()
            .map(|i| f(&orders[*i]))
            .collect::<Vec<String>>()
    };
    let short = |f: fn(&Enqueue) -> i16| slice.iter().map(|i| f(&orders[*i])).collect::<Vec<i16>>();
    let keys: Vec<Option<String>> = slice.iter().map(|i| stored_key(&orders[*i])).collect();
    let runs: Vec<Option<i64>> = slice.iter().map(|i| orders[*i].run_id).collect();
    let rows = sqlx::query_file!(
        "queries/enqueue.sql",
        &lane_ids,
        &text(|o| o.envelope.kind.clone()),
        &short(|o| o.envelope.version),
        &short(|o| o.priority.level()),
        &of(|o| i64::try_from(o.delay.as_micros()).unwrap_or(i64::MAX / 1_000_000)),
        &short(|o| i16::try_from(o.policy.max_attempts).unwrap_or(i16::MAX)),
        &keys as &[Option<String>],
        &runs as &[Option<i64>],
        &text(|o| o.envelope.args.clone())
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let place = usize::try_from(row.rank - 1).unwrap_or_default();
        if let (Some(&index), Some(id)) = (slice.get(place), row.id) {
            results[index] = Some(Enqueued {
                id,
                existing: false,
            });
        }
    }
    Ok(())
}

/// The jobs that hold the keys we could not take, in a fresh snapshot.
async fn look_up(
    conn: &mut PgConnection,
    orders: &[Enqueue],
    rest: &[usize],
    results: &mut [Option<Enqueued>],
) -> sqlx::Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = rest
        .iter()
        .map(|i| orders[*i].envelope.kind.clone())
        .collect();
    let keys: Vec<String> = rest
        .iter()
        .map(|i| stored_key(&orders[*i]).unwrap_or_default())
        .collect();
    let rows = sqlx::query!(
        r#"SELECT u.rank AS "rank!", h.id FROM unnest($1::text[], $2::text[]) WITH ORDINALITY u(kind, key, rank)
           JOIN jobs_hot h ON h.kind = u.kind AND h.unique_key = u.key"#,
        &kinds,
        &keys
    )
    .fetch_all(&mut *conn)
    .await?;
    // What is unique while it is queued must not be claimed before the caller has committed what it counts on
    // that job to see: it is locked, and claims pass it over.
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let queued: Vec<bool> = rows
        .iter()
        .map(|row| {
            let place = usize::try_from(row.rank - 1).unwrap_or_default();
            keys.get(place)
                .is_some_and(|key| key.starts_with("queued:"))
        })
        .collect();
    let held = if queued.contains(&true) {
        sqlx::query_scalar!(
            "SELECT id FROM jobs_hot WHERE id = ANY($1) AND unique_key LIKE 'queued:%' AND token IS NULL
             ORDER BY id FOR SHARE",
            &ids
        )
        .fetch_all(&mut *conn)
        .await?
    } else {
        Vec::new()
    };
    for (row, queued) in rows.into_iter().zip(queued) {
        // Claimed meanwhile: its key is about to be free.
        if queued && !held.contains(&row.id) {
            continue;
        }
        let place = usize::try_from(row.rank - 1).unwrap_or_default();
        if let Some(&index) = rest.get(place) {
            results[index] = Some(Enqueued {
                id: row.id,
                existing: true,
            });
        }
    }
    Ok(())
}

/// A key held for a time, whether or not its job still runs.
async fn keep(
    lanes: &LaneBook,
    conn: &mut PgConnection,
    order: &Enqueue,
    key: &str,
    window: std::time::Duration,
) -> sqlx::Result<Option<Enqueued>> {
    let lane = lanes.id(order.policy.queue, &order.partner).await?;
    let taken = sqlx::query_file_scalar!(
        "queries/keep_key.sql",
        order.envelope.kind,
        key,
        window.as_secs_f64()
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(id) = taken else {
        let id = sqlx::query_scalar!(
            "SELECT job_id FROM job_keys WHERE kind = $1 AND key = $2",
            order.envelope.kind,
            key
        )
        .fetch_one(conn)
        .await?;
        return Ok(Some(Enqueued { id, existing: true }));
    };
    sqlx::query!(
        "INSERT INTO jobs_hot (id, lane, kind, version, priority, run_at, max_attempts, run_id, args)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::float8 * interval '1 second', $7, $8, $9::text::jsonb)",
        id,
        lane,
        order.envelope.kind,
        order.envelope.version,
        order.priority.level(),
        order.delay.as_secs_f64(),
        i16::try_from(order.policy.max_attempts).unwrap_or(i16::MAX),
        order.run_id,
        order.envelope.args
    )
    .execute(conn)
    .await?;
    Ok(Some(Enqueued {
        id,
        existing: false,
    }))
}

/// The scope is part of the stored key, so that the claim knows which keys to free.
pub(crate) fn stored_key(order: &Enqueue) -> Option<String> {
    let key = order.key.as_ref()?;
    match order.policy.unique {
        Unique::WhileQueued => Some(format!("queued:{key}")),
        Unique::WhileUnfinished => Some(format!("unfinished:{key}")),
        Unique::Within(_) => None,
    }
}

/// Once per queue and call; it reaches listeners when the transaction commits.
async fn wake(conn: &mut PgConnection, orders: &[Enqueue]) -> sqlx::Result<()> {
    let queues: BTreeSet<&str> = orders
        .iter()
        .filter(|order| order.delay.is_zero())
        .map(|order| order.policy.queue.as_str())
        .collect();
    for queue in queues {
        sqlx::query!("SELECT pg_notify('forecourt_jobs', $1)", queue)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
