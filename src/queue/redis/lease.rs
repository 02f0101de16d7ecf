//! Leases, rescues, cancelling, progress, and looking a job up.

use super::body::{Body, End, Tries};
use super::claim::SLICE;
use super::ended::{self, Ended};
use super::{RedisEngine, RedisError, Res};
use crate::engine::{Cancelled, Engine, LEASE, RESCUES_ALLOWED, Rescued};
use crate::inspect::{JobRecord, JobState, Jobs};
use crate::{EngineError, QueueName};
use jiff::Timestamp;
use redis::Script;
use std::sync::LazyLock;

static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));
static STARTED: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/started.lua")));
static RESCUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/rescue.lua")));
static CANCEL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/cancel.lua")));

/// Claims one pass of the reaper returns; the next pass is a second away.
const CLAIMS_A_PASS: usize = 200;

pub(super) async fn started(engine: &RedisEngine, jobs: &[(i64, i64)]) -> Res<u64> {
    let keys = &engine.keys;
    let mut begun = Vec::new();
    for slice in jobs.chunks(SLICE) {
        let mut script = STARTED.prepare_invoke();
        script.key(&keys.run).key(&keys.begun);
        for (id, token) in slice {
            script.arg(id).arg(token);
        }
        begun.extend(engine.link.run::<Vec<i64>>(&script).await?);
    }
    // For whoever looks: the attempt itself is counted in Redis.
    sqlx::query!(
        "UPDATE jobs_hot SET started_at = now() WHERE id = ANY($1)",
        &begun
    )
    .execute(engine.pool())
    .await?;
    Ok(u64::try_from(begun.len()).unwrap_or_default())
}

/// Redis first: a lost PostgreSQL must not cost a lease.
pub(super) async fn renew(
    engine: &RedisEngine,
    worker: &str,
    queues: &[QueueName],
    tokens: &[i64],
) -> Res<u64> {
    let mut held = 0;
    for slice in tokens.chunks(SLICE) {
        let mut script = RENEW.prepare_invoke();
        script
            .key(&engine.keys.leases)
            .arg(i64::try_from(LEASE.as_millis()).unwrap_or(9_000));
        for token in slice {
            script.arg(token);
        }
        held += engine.link.run::<u64>(&script).await?;
    }
    crate::postgres::sign_in(engine.pool(), worker, queues).await?;
    Ok(held)
}

pub(super) async fn rescue(engine: &RedisEngine) -> Res<Rescued> {
    let keys = &engine.keys;
    let mut rescued = Rescued::default();
    for _ in 0..CLAIMS_A_PASS {
        let run_id = engine.link.run_id().await?;
        let mut script = RESCUE.prepare_invoke();
        for key in [
            &keys.home,
            &keys.leases,
            &keys.claims,
            &keys.run,
            &keys.begun,
            &keys.tries,
            &keys.body,
            &keys.left,
            &keys.open,
            &keys.ended,
            &keys.ended_at,
        ] {
            script.key(key);
        }
        script.arg(&*run_id).arg(&keys.lanes).arg(RESCUES_ALLOWED);
        let answer: Vec<String> = engine.link.run(&script).await?;
        let Some((worker, jobs)) = answer.split_first() else {
            break;
        };
        keep_rescued(engine, worker, jobs, &mut rescued).await?;
    }
    ended::keep_left_behind(engine).await?;
    crate::postgres::forget_lost_workers(engine.pool()).await?;
    Ok(rescued)
}

async fn keep_rescued(
    engine: &RedisEngine,
    worker: &str,
    jobs: &[String],
    rescued: &mut Rescued,
) -> Res<()> {
    let (mut ids, mut begun, mut attempts, mut rescues) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut buried = Vec::new();
    for job in jobs.chunks_exact(6) {
        let [id, had_begun, is_buried, tries, body, how] = job else {
            continue;
        };
        let tries = Tries::read(tries);
        let number: i64 = id.parse().map_err(|_| RedisError::Answer(id.clone()))?;
        if is_buried == "1" {
            let end: End = serde_json::from_str(how).map_err(|source| RedisError::Body {
                id: id.clone(),
                source,
            })?;
            let body = Body::read(id, body)?;
            buried.push(Ended {
                id: number,
                body,
                tries,
                end,
            });
        } else {
            ids.push(number);
            begun.push(had_begun == "1");
            attempts.push(tries.attempts);
            rescues.push(tries.rescues);
        }
    }
    rescued.returned += u64::try_from(ids.len()).unwrap_or(0);
    rescued.buried += u64::try_from(buried.len()).unwrap_or(0);
    sqlx::query_file!(
        "queries/redis_rescued.sql",
        worker,
        &ids,
        &begun,
        &attempts,
        &rescues
    )
    .execute(engine.pool())
    .await?;
    end_cancelled(engine, &ids).await?;
    ended::keep(engine, &buried).await
}

pub(super) async fn cancel(engine: &RedisEngine, id: i64, who: &str) -> Res<Cancelled> {
    let keys = &engine.keys;
    let end = End {
        code: 3,
        ran_us: 0,
        worker: String::new(),
        counted: false,
        report: Some(serde_json::json!({ "cancelled": format!("by {who}") }).to_string()),
        error: None,
    };
    let mut script = CANCEL.prepare_invoke();
    for key in [
        &keys.run,
        &keys.body,
        &keys.tries,
        &keys.ended,
        &keys.ended_at,
    ] {
        script.key(key);
    }
    script
        .arg(&keys.lanes)
        .arg(id)
        .arg(serde_json::to_string(&end).unwrap_or_default());
    let answer: Vec<String> = engine.link.run(&script).await?;
    match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["taken", tries, body] => {
            let over = Ended {
                id,
                body: Body::read(&id.to_string(), body)?,
                tries: Tries::read(tries),
                end,
            };
            ended::keep(engine, &[over]).await?;
            Ok(Cancelled::AtOnce)
        }
        // Running; or it waits in the outbox, and the worker that gets it will see the mark.
        _ => Ok(crate::postgres::ask_to_cancel(engine.pool(), id, who).await?),
    }
}

/// Jobs an operator has ended, and that wait again: their attempt went otherwise before its worker heard of it.
pub(super) async fn end_cancelled(engine: &RedisEngine, ids: &[i64]) -> Res<()> {
    if ids.is_empty() {
        return Ok(());
    }
    for (id, who) in crate::postgres::cancelling_rows(engine.pool(), ids).await? {
        cancel(engine, id, &who).await?;
    }
    Ok(())
}

/// Fenced by Redis, kept in PostgreSQL.
pub(super) async fn progress(
    engine: &RedisEngine,
    reports: &[(i64, i64, serde_json::Value)],
) -> Res<u64> {
    let ids: Vec<i64> = reports.iter().map(|report| report.0).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let held: Vec<Option<i64>> = engine
        .link
        .ask(redis::cmd("HMGET").arg(&engine.keys.run).arg(&ids))
        .await?;
    let (mut ours, mut texts) = (Vec::new(), Vec::new());
    for ((id, token, progress), held) in reports.iter().zip(held) {
        if held == Some(*token) {
            ours.push(*id);
            texts.push(progress.to_string());
        }
    }
    let done = sqlx::query!(
        "UPDATE jobs_hot h SET progress = u.progress::jsonb
         FROM unnest($1::bigint[], $2::text[]) AS u(id, progress) WHERE h.id = u.id",
        &ours,
        &texts
    )
    .execute(engine.pool())
    .await?;
    Ok(done.rows_affected())
}

/// PostgreSQL's row, or Redis's for a kind that is not durable; who runs it is Redis's to say.
pub(super) async fn find(engine: &RedisEngine, id: i64) -> Res<Option<JobRecord>> {
    let known = engine.postgres.find(id).await;
    let known =
        known.map_err(
            |EngineError { source, .. }| match source.downcast::<sqlx::Error>() {
                Ok(error) => RedisError::Sql(*error),
                Err(other) => RedisError::Answer(other.to_string()),
            },
        )?;
    let keys = &engine.keys;
    let get = async |key: &String| -> Res<Option<String>> {
        engine.link.ask(redis::cmd("HGET").arg(key).arg(id)).await
    };
    let token = get(&keys.run).await?;
    if let Some(mut record) = known {
        if token.is_some() && matches!(record.state, JobState::Ready | JobState::Scheduled) {
            record.state = JobState::Running;
        }
        if record.state == JobState::Running
            && let Some(token) = &token
        {
            let mut ask = redis::cmd("HGET");
            ask.arg(&keys.claims).arg(token);
            let claim: Option<String> = engine.link.ask(&ask).await?;
            record.worker = claim.and_then(|claim| {
                let worker = claim.lines().next();
                worker.map(str::to_owned)
            });
        }
        return Ok(Some(record));
    }
    let Some(text) = get(&keys.body).await? else {
        // It may have ended between the two looks.
        let mut conn = engine.pool().acquire().await?;
        return Ok(Jobs::find(&mut conn, id).await?);
    };
    let body = Body::read(&id.to_string(), &text)?;
    let tries = Tries::read(get(&keys.tries).await?.as_deref().unwrap_or(""));
    let level = if tries.quarantined {
        -1 - body.level
    } else {
        body.level
    };
    let due: Option<f64> = engine
        .link
        .ask(
            redis::cmd("ZSCORE")
                .arg(keys.lane(body.lane, level))
                .arg(id),
        )
        .await?;
    let created_at = Timestamp::from_microsecond(body.created_us).unwrap_or(Timestamp::UNIX_EPOCH);
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of the epoch")]
    let run_at = due.and_then(|ms| Timestamp::from_millisecond(ms as i64).ok());
    let lane = sqlx::query!("SELECT queue, partner FROM lanes WHERE id = $1", body.lane)
        .fetch_one(engine.pool())
        .await?;
    Ok(Some(JobRecord {
        id,
        queue: lane.queue,
        partner: lane.partner,
        args: crate::secrets::redact(serde_json::from_str(&body.args).unwrap_or_default()),
        kind: body.kind,
        version: body.version,
        priority: body.level,
        state: if token.is_some() {
            JobState::Running
        } else {
            JobState::Ready
        },
        attempt: tries.attempts,
        max_attempts: body.max_attempts,
        snoozes: tries.snoozes,
        rescues: tries.rescues,
        run_id: body.run_id,
        created_at,
        run_at: run_at.unwrap_or(created_at),
        started_at: None,
        finished_at: None,
        worker: None,
        why: None,
        progress: None,
        report: None,
        error: None,
    }))
}
