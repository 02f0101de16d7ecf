//! Claiming: one script looks at every open lane of the queue.

use super::body::{Body, Tries};
use super::{RedisEngine, RedisError, Res};
use crate::engine::{Claim, Claimed, LEASE};
use crate::lane_book::OpenLane;
use crate::{Limit, Priority, Scope};
use jiff::Timestamp;
use redis::Script;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Instant;

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/claim.lua")));

/// Lua's `unpack` and its stack bound a slice.
pub(super) const SLICE: usize = 1_000;
/// As in the PostgreSQL engine: one claim in so many looks first at what has been due for long.
const AGED_EVERY: usize = 4;
const AGED_MS: i64 = 300_000;

pub(super) async fn claim(engine: &RedisEngine, claim: Claim<'_>) -> Res<Vec<Claimed>> {
    match claim_once(engine, &claim).await {
        // A fresh or restarted Redis: give it the jobs, and look again.
        Err(RedisError::Stray) => {
            super::rebuild::rebuild_if_lost(engine).await?;
            claim_once(engine, &claim).await
        }
        answer => answer,
    }
}

async fn claim_once(engine: &RedisEngine, claim: &Claim<'_>) -> Res<Vec<Claimed>> {
    let mut lanes = engine
        .lanes()
        .open(engine.pool(), claim.queue, claim.woken)
        .await?;
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let turn = turn(engine, claim);
    let count = lanes.len();
    lanes.rotate_left(turn % count);
    let max = claim.max.min(SLICE);
    let run_id = engine.link.run_id().await?;
    let keys = &engine.keys;
    let mut script = CLAIM.prepare_invoke();
    for key in [
        &keys.home,
        &keys.body,
        &keys.tries,
        &keys.run,
        &keys.leases,
        &keys.claims,
        &keys.left,
        &keys.open,
    ] {
        script.key(key);
    }
    script
        .arg(&*run_id)
        .arg(claim.worker)
        .arg(i64::try_from(LEASE.as_millis()).unwrap_or(9_000))
        .arg(max)
        .arg(claim.queue.as_str())
        .arg(max.div_ceil(count));
    let limits = limits(&lanes);
    script.arg(limits.len());
    for (scope, most) in limits {
        script.arg(scope).arg(most);
    }
    let places = places(&lanes, turn, max, claim.rescued);
    for (place, look) in places.iter().enumerate() {
        script.key(keys.lane(look.lane.id, look.level));
        script
            .arg(place + 1)
            .arg(look.lane.id)
            .arg(look.token)
            .arg(look.most)
            .arg(look.age_ms)
            .arg(&look.lane.partner)
            .arg(i32::from(look.alone));
    }
    let answer: Vec<String> = engine.link.run(&script).await?;
    let jobs = read(&answer, &lanes)?;
    free_keys(engine, &jobs).await?;
    Ok(jobs.into_iter().map(|(job, _)| job).collect())
}

fn turn(engine: &RedisEngine, claim: &Claim<'_>) -> usize {
    let mut turns = engine.turns.lock().unwrap_or_else(PoisonError::into_inner);
    let turn = turns.entry(claim.queue).or_default();
    *turn = turn.wrapping_add(1);
    *turn
}

/// The script counts what runs, so that counting and claiming are one step.
fn limits(lanes: &[OpenLane]) -> BTreeMap<String, u32> {
    let mut least = BTreeMap::new();
    for Limit { scope, max, .. } in lanes.iter().flat_map(|lane| &lane.limits) {
        let held = least.entry(Scope::key(scope)).or_insert(*max);
        *held = (*held).min(*max);
    }
    least
}

struct Place<'a> {
    lane: &'a OpenLane,
    level: i16,
    token: i64,
    most: usize,
    age_ms: i64,
    alone: bool,
}

/// Where to look, in order: rescued jobs, now and then those that have waited longest, then by priority.
fn places(lanes: &[OpenLane], turn: usize, max: usize, rescued: bool) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    let tokens: Vec<i64> = lanes.iter().map(|_| crate::random_token()).collect();
    let mut look = |level: i16, most: usize, age_ms: i64, alone: bool| {
        for (lane, token) in lanes.iter().zip(&tokens) {
            places.push(Place {
                lane,
                level,
                token: *token,
                most,
                age_ms,
                alone,
            });
        }
    };
    let levels = Priority::ALL.map(Priority::level);
    for level in levels.into_iter().filter(|_| rescued) {
        look(-1 - level, 1, 0, true);
    }
    if turn.is_multiple_of(AGED_EVERY) {
        for level in [Priority::Low.level(), Priority::Normal.level()] {
            look(level, max.div_ceil(AGED_EVERY), AGED_MS, false);
        }
    }
    for level in levels {
        look(level, max, 0, false);
    }
    places
}

fn read(answer: &[String], lanes: &[OpenLane]) -> Res<Vec<(Claimed, Body)>> {
    let wrong = || RedisError::Answer(answer.first().cloned().unwrap_or_default());
    let number = |text: &String| text.parse::<i64>().map_err(|_| wrong());
    let (now, jobs) = answer.split_first().ok_or_else(wrong)?;
    let claimed_at = Timestamp::from_millisecond(number(now)?).map_err(|_| wrong())?;
    let received = Instant::now();
    jobs.chunks_exact(6)
        .map(|job| {
            let [id, token, lane, alone, tries, body] = job else {
                return Err(wrong());
            };
            let (tries, body) = (Tries::read(tries), Body::read(id, body)?);
            let lane = i32::try_from(number(lane)?).map_err(|_| wrong())?;
            let partner = lanes.iter().find(|open| open.id == lane);
            let claimed = Claimed {
                id: number(id)?,
                token: number(token)?,
                attempts_used: u16::try_from(tries.attempts).unwrap_or_default(),
                max_attempts: u16::try_from(body.max_attempts).unwrap_or(1),
                envelope: body.envelope(),
                run_id: body.run_id,
                created_at: Timestamp::from_microsecond(body.created_us).unwrap_or(claimed_at),
                claimed_at,
                received,
                lane,
                partner: partner.map(|open| open.partner.clone()).unwrap_or_default(),
                alone: alone == "1",
                rescues: u16::try_from(tries.rescues).unwrap_or_default(),
                attempt: Arc::default(),
            };
            Ok((claimed, body))
        })
        .collect()
}

/// `while_queued` keys end here. Should this fail the claim is not known to anybody, and runs out.
async fn free_keys(engine: &RedisEngine, jobs: &[(Claimed, Body)]) -> Res<()> {
    let freed: Vec<i64> = jobs
        .iter()
        .filter(|(_, body)| body.frees_key)
        .map(|(job, _)| job.id)
        .collect();
    if !freed.is_empty() {
        sqlx::query!(
            "UPDATE jobs_hot SET unique_key = NULL WHERE id = ANY($1)",
            &freed
        )
        .execute(engine.pool())
        .await?;
    }
    let held: Vec<&String> = jobs
        .iter()
        .filter_map(|(_, body)| body.unique.as_ref())
        .filter(|key| key.starts_with("queued:"))
        .collect();
    if !held.is_empty() {
        let mut command = redis::cmd("HDEL");
        command.arg(&engine.keys.unique).arg(held);
        engine.link.ask::<i64>(&command).await?;
    }
    Ok(())
}
