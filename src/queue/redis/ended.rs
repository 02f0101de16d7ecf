//! From `ended` to the history. A job's row leaves `jobs_hot` in the statement that writes its
//! history; sent again, it finds no row and writes nothing.

use super::body::{Body, End, Tries};
use super::{RedisEngine, Res};
use crate::postgres::refuses_data;
use redis::Script;
use std::sync::LazyLock;

static FINISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/finish.lua")));

/// What an acknowledgement left behind when its worker died before the history had it, in ms.
const LEFT_BEHIND_MS: i64 = 5_000;

pub(super) struct Ended {
    pub(super) id: i64,
    pub(super) body: Body,
    pub(super) tries: Tries,
    pub(super) end: End,
}

pub(super) async fn keep(engine: &RedisEngine, ended: &[Ended]) -> Res<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let mut waiting = vec![ended];
    while let Some(slice) = waiting.pop() {
        match (write(engine, slice).await, slice) {
            (Ok(()), _) => {}
            (Err(error), [one]) if refuses_data(&error) => {
                tracing::error!(job = one.id, %error, "an end was refused, its report is left out");
                let why = format!("the report could not be kept: {error}");
                let words = serde_json::json!({ "lost": why, "class": "error", "message": why })
                    .to_string();
                let end = End {
                    report: one.end.report.as_ref().map(|_| words.clone()),
                    error: one.end.error.as_ref().map(|_| words.clone()),
                    ..one.end.clone()
                };
                let plain = [Ended {
                    body: one.body.clone(),
                    end,
                    ..*one
                }];
                write(engine, &plain).await?;
            }
            (Err(error), many) if refuses_data(&error) && many.len() > 1 => {
                let (first, second) = many.split_at(many.len() / 2);
                waiting.extend([second, first]);
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
    let mut script = FINISH.prepare_invoke();
    let keys = &engine.keys;
    for key in [
        &keys.ended,
        &keys.ended_at,
        &keys.body,
        &keys.tries,
        &keys.unique,
    ] {
        script.key(key);
    }
    for job in ended {
        script
            .arg(job.id)
            .arg(job.body.unique.as_deref().unwrap_or(""));
    }
    engine.acks.run::<i64>(&script).await?;
    Ok(())
}

async fn write(engine: &RedisEngine, ended: &[Ended]) -> sqlx::Result<()> {
    macro_rules! column {
        ($job:ident => $value:expr) => {
            &ended.iter().map(|$job| $value).collect::<Vec<_>>()
        };
    }
    let state = |code: i16| match code {
        0 => "done",
        2 => "dead",
        _ => "cancelled",
    };
    // A waiting job that is cancelled never ran.
    let attempt = |job: &Ended| {
        let this = !job.end.counted && !(job.end.code == 3 && job.end.worker.is_empty());
        job.tries.attempts + i16::from(this)
    };
    sqlx::query_file!(
        "queries/redis_ended.sql",
        column!(job => job.id),
        column!(job => job.body.durable),
        column!(job => job.body.lane),
        column!(job => job.body.kind.clone()),
        column!(job => job.body.version),
        column!(job => job.body.level),
        column!(job => state(job.end.code).to_owned()),
        column!(job => attempt(job)),
        column!(job => job.body.max_attempts),
        column!(job => job.tries.snoozes),
        column!(job => job.tries.rescues),
        column!(job => job.body.run_id) as &[Option<i64>],
        column!(job => job.body.created_us),
        column!(job => job.end.ran_us),
        column!(job => job.end.worker.clone()),
        column!(job => job.body.args.clone()),
        column!(job => job.end.report.clone()) as &[Option<String>],
        column!(job => job.end.error.clone()) as &[Option<String>]
    )
    .execute(engine.pool())
    .await?;
    Ok(())
}

/// Writes down what a dead worker's acknowledgements left; returns how many.
pub(super) async fn keep_left_behind(engine: &RedisEngine) -> Res<usize> {
    let keys = &engine.keys;
    let (seconds, _): (i64, i64) = engine.link.ask(&redis::cmd("TIME")).await?;
    let before = seconds * 1_000 - LEFT_BEHIND_MS;
    let ids: Vec<String> = engine
        .link
        .ask(
            redis::cmd("ZRANGE")
                .arg(&keys.ended_at)
                .arg("-inf")
                .arg(before)
                .arg("BYSCORE")
                .arg("LIMIT")
                .arg(0)
                .arg(super::claim::SLICE),
        )
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let of = async |key: &String| -> Res<Vec<Option<String>>> {
        engine
            .link
            .ask(redis::cmd("HMGET").arg(key).arg(&ids))
            .await
    };
    let (ends, bodies, tries) = (
        of(&keys.ended).await?,
        of(&keys.body).await?,
        of(&keys.tries).await?,
    );
    let mut ended = Vec::new();
    for (((id, end), body), tries) in ids.iter().zip(ends).zip(bodies).zip(tries) {
        let (Some(end), Some(body), Ok(number)) = (end, body, id.parse()) else {
            continue;
        };
        let how = end.split_once('|').map_or("", |(_, how)| how);
        let body = Body::read(id, &body)?;
        let Ok(end) = serde_json::from_str(how) else {
            continue;
        };
        ended.push(Ended {
            id: number,
            body,
            tries: Tries::read(tries.as_deref().unwrap_or("")),
            end,
        });
    }
    keep(engine, &ended).await?;
    Ok(ended.len())
}
