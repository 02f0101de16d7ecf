//! A Redis that lost something is given every unfinished job again.
//!
//! `home` names the server that has them all. After a restart or a failover another run id answers,
//! after a loss of everything no `home` is there: claims and rescues refuse themselves until this is done.

use super::claim::SLICE;
use super::{RedisEngine, Res};
use redis::Script;
use sqlx::PgConnection;
use std::sync::LazyLock;
use std::time::Duration;

static DROP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/drop.lua")));

const EVERY: Duration = Duration::from_millis(500);
/// The class of the advisory lock under which one process rebuilds.
const REBUILD_LOCK: i32 = 0x4643_0002;

pub(super) async fn watch(engine: &RedisEngine) {
    loop {
        if let Err(error) = rebuild_if_lost(engine).await {
            tracing::debug!(%error, "redis is not there to be looked after");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Whether it had to.
pub(super) async fn rebuild_if_lost(engine: &RedisEngine) -> Res<bool> {
    if is_home(engine).await? {
        return Ok(false);
    }
    let mut tx = engine.pool().begin().await?;
    // One builds; the others do not wait for it with a connection in hand.
    let ours = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock($1, 0) AS "ours!""#,
        REBUILD_LOCK
    )
    .fetch_one(&mut *tx)
    .await?;
    if !ours {
        return Ok(false);
    }
    // Another process may have been first.
    if is_home(engine).await? {
        return Ok(false);
    }
    let run_id = engine.link.run_id().await?;
    let dropped = forget_finished(engine, &mut tx).await?;
    let again =
        sqlx::query!("INSERT INTO outbox (job_id) SELECT id FROM jobs_hot ON CONFLICT DO NOTHING")
            .execute(&mut *tx)
            .await?
            .rows_affected();
    sqlx::query!("SELECT pg_notify('forecourt_outbox', '')")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    engine.relayed.forget();
    // Only now: a crash before this makes somebody do it again, one after it has lost nothing.
    engine
        .link
        .ask::<()>(redis::cmd("SET").arg(&engine.keys.home).arg(&*run_id))
        .await?;
    if again > 0 || dropped > 0 {
        tracing::warn!(
            again,
            dropped,
            "redis was started anew: unfinished jobs are handed to it again"
        );
    }
    Ok(true)
}

async fn is_home(engine: &RedisEngine) -> Res<bool> {
    let home: Option<String> = engine
        .link
        .ask(redis::cmd("GET").arg(&engine.keys.home))
        .await?;
    Ok(home.as_deref() == Some(&*engine.link.run_id().await?))
}

/// An older copy of Redis may still have jobs whose end is written: they must not run again.
async fn forget_finished(engine: &RedisEngine, conn: &mut PgConnection) -> Res<usize> {
    let keys = &engine.keys;
    let (mut cursor, mut dropped) = (0u64, 0);
    loop {
        let (next, found): (u64, Vec<(i64, String)>) = engine
            .link
            .ask(
                redis::cmd("HSCAN")
                    .arg(&keys.body)
                    .arg(cursor)
                    .arg("COUNT")
                    .arg(SLICE),
            )
            .await?;
        let ids: Vec<i64> = found
            .iter()
            .filter(|(_, body)| body.contains("\"d\":true"))
            .map(|(id, _)| *id)
            .collect();
        let finished = sqlx::query_scalar!(
            r#"SELECT u.id AS "id!" FROM unnest($1::bigint[]) AS u(id)
               WHERE NOT EXISTS (SELECT 1 FROM jobs_hot h WHERE h.id = u.id)"#,
            &ids
        )
        .fetch_all(&mut *conn)
        .await?;
        for slice in finished.chunks(SLICE) {
            let mut script = DROP.prepare_invoke();
            for key in [
                &keys.run,
                &keys.body,
                &keys.tries,
                &keys.ended,
                &keys.ended_at,
                &keys.begun,
                &keys.claims,
                &keys.left,
                &keys.open,
            ] {
                script.key(key);
            }
            script.arg(&keys.lanes).arg(slice);
            dropped += engine.link.run::<usize>(&script).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(dropped);
        }
    }
}
