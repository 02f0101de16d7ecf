//! From `ended` to the history. A job's row leaves `jobs_hot` in the statement that writes its
//! history; sent again, it finds no row and writes nothing.

use super::body::{Body, End, Tries};
use super::{RedisEngine, Res};
use crate::postgres::refuses_data;
use redis::Script;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

static FINISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/finish.lua")));

/// What an acknowledgement left behind when its worker died before the history had it, in ms.
const LEFT_BEHIND_MS: i64 = 5_000;

pub(super) struct Ended {
    pub(super) id: i64,
    pub(super) body: Body,
    pub(super) tries: Tries,
    pub(super) end: End,
}

/// Ends that the history may have a moment later. They stand in `ended`, so a crash loses none.
#[derive(Default)]
pub(super) struct Later {
    waiting: Mutex<Vec<Ended>>,
    come: Notify,
    /// Somebody writes them down.
    open: AtomicBool,
}

/// With more than this waiting, whoever acknowledges writes for itself.
const MOST_WAITING: usize = 20_000;
/// One statement carries this many.
const TOGETHER: usize = 2_000;

impl Later {
    /// What it cannot take in now.
    pub(super) fn take_in(&self, ended: Vec<Ended>) -> Option<Vec<Ended>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.open.load(Ordering::Relaxed) || waiting.len() + ended.len() > MOST_WAITING {
            return Some(ended);
        }
        waiting.extend(ended);
        self.come.notify_one();
        None
    }

    fn take_out(&self) -> Vec<Ended> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(TOGETHER);
        waiting.drain(..count).collect()
    }
}

/// Closes again when it is dropped: then acknowledgements write for themselves.
struct Open<'a>(&'a Later);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.store(false, Ordering::Relaxed);
    }
}

pub(super) async fn keep_later(engine: &RedisEngine) {
    engine.later.open.store(true, Ordering::Relaxed);
    let _open = Open(&engine.later);
    loop {
        let ended = engine.later.take_out();
        if ended.is_empty() {
            engine.later.come.notified().await;
            continue;
        }
        // What cannot be written now is still in `ended`; the reaper comes by.
        if let Err(error) = keep(engine, &ended).await {
            tracing::warn!(%error, jobs = ended.len(), "ends are written to the history later");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

pub(super) async fn keep(engine: &RedisEngine, ended: &[Ended]) -> Res<()> {
    if ended.is_empty() {
        return Ok(());
    }
    // Rows are locked by id, as the relay does.
    let mut sorted: Vec<&Ended> = ended.iter().collect();
    sorted.sort_unstable_by_key(|job| job.id);
    let mut waiting = vec![&sorted[..]];
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
                let plain = Ended {
                    id: one.id,
                    body: one.body.clone(),
                    tries: one.tries,
                    end,
                };
                write(engine, &[&plain]).await?;
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

async fn write(engine: &RedisEngine, ended: &[&Ended]) -> sqlx::Result<()> {
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
        let never_ran = job.end.code == 3 && job.end.worker.is_empty();
        let this = !(job.end.counted || never_ran);
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
