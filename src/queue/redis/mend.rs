//! What operators do to jobs: put ended ones back through the outbox, give waiting ones another time or priority.

use super::claim::SLICE;
use super::{RedisEngine, Res};
use crate::bulk::{Change, Revival};
use crate::postgres::{reschedule_rows, revive_rows};
use redis::Script;
use sqlx::PgConnection;
use std::collections::HashSet;
use std::sync::LazyLock;

static RESCHEDULE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/reschedule.lua")));

/// Whatever kind it is, it is durable from here on.
pub(super) async fn revive(
    engine: &RedisEngine,
    conn: &mut PgConnection,
    jobs: &[Revival],
    who: &str,
) -> Res<Vec<i64>> {
    // Redis forgets a job a moment after its history is written: until then a push would be forgotten with it.
    let mut known = HashSet::new();
    for slice in jobs.chunks(SLICE) {
        let mut ask = redis::cmd("HMGET");
        ask.arg(&engine.keys.body);
        for job in slice {
            ask.arg(job.id);
        }
        let bodies: Vec<Option<String>> = engine.link.ask(&ask).await?;
        let there = slice.iter().zip(bodies).filter(|(_, body)| body.is_some());
        known.extend(there.map(|(job, _)| job.id));
    }
    let gone: Vec<Revival> = jobs
        .iter()
        .filter(|job| !known.contains(&job.id))
        .cloned()
        .collect();
    let back = revive_rows(conn, &gone, who).await?;
    sqlx::query!(
        "INSERT INTO outbox (job_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING",
        &back
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("SELECT pg_notify('forecourt_outbox', '')")
        .execute(&mut *conn)
        .await?;
    engine.relayed.forget();
    Ok(back)
}

/// The rows first: one that the relay has not taken yet is handed over as it is now.
pub(super) async fn reschedule(
    engine: &RedisEngine,
    changes: &[Change],
    why: &str,
) -> Res<Vec<i64>> {
    let rows = reschedule_rows(engine.pool(), changes, why).await?;
    let mut moved = Vec::new();
    for slice in changes.chunks(SLICE / 3) {
        let mut script = RESCHEDULE.prepare_invoke();
        let keys = &engine.keys;
        script.key(&keys.run).key(&keys.body).key(&keys.ended);
        script.arg(&keys.lanes);
        for change in slice {
            let delay = change.delay.map(|delay| delay.as_millis().to_string());
            let level = change.priority.map(|priority| priority.level().to_string());
            script
                .arg(change.id)
                .arg(delay.unwrap_or_default())
                .arg(level.unwrap_or_default());
        }
        moved.extend(engine.link.run::<Vec<i64>>(&script).await?);
    }
    let waiting = sqlx::query_scalar!("SELECT job_id FROM outbox WHERE job_id = ANY($1)", &rows)
        .fetch_all(engine.pool())
        .await?;
    let held: HashSet<i64> = moved.iter().copied().collect();
    moved.extend(waiting.into_iter().filter(|id| !held.contains(id)));
    Ok(moved)
}
