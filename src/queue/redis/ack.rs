//! Acknowledging: Redis judges the tokens, then PostgreSQL keeps what lasts, then Redis forgets.

use super::body::{Body, End, Tries};
use super::claim::SLICE;
use super::ended::{self, Ended};
use super::{RedisEngine, RedisError, Res, lease};
use crate::Outcome;
use crate::engine::{Ack, Verdict};
use crate::postgres::{json, keep_lines, micros};
use redis::Script;
use std::sync::LazyLock;

static ACK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/ack.lua")));

pub(super) async fn ack(engine: &RedisEngine, worker: &str, acks: &[Ack]) -> Res<Vec<Verdict>> {
    let mut verdicts = Vec::with_capacity(acks.len());
    for slice in acks.chunks(SLICE) {
        verdicts.extend(ack_slice(engine, worker, slice).await?);
    }
    Ok(verdicts)
}

async fn ack_slice(engine: &RedisEngine, worker: &str, acks: &[Ack]) -> Res<Vec<Verdict>> {
    let keys = &engine.keys;
    let mut script = ACK.prepare_invoke();
    for key in [
        &keys.run,
        &keys.left,
        &keys.leases,
        &keys.claims,
        &keys.open,
        &keys.ended,
        &keys.ended_at,
        &keys.begun,
        &keys.tries,
        &keys.body,
    ] {
        script.key(key);
    }
    script.arg(&keys.lanes);
    let mut ends = Vec::with_capacity(acks.len());
    for ack in acks {
        let end = End::of(ack, worker);
        let (code, delay_ms) = match &ack.outcome {
            Outcome::Done(_) => (0, 0),
            Outcome::Retry { after, .. } => (1, after.as_millis()),
            Outcome::Dead(_) => (2, 0),
            Outcome::Cancelled { .. } => (3, 0),
            Outcome::Snooze { after, .. } => (4, after.as_millis()),
            Outcome::HandBack => (5, 0),
        };
        let how = end.as_ref().and_then(|end| serde_json::to_string(end).ok());
        script
            .arg(ack.id)
            .arg(ack.token)
            .arg(code)
            .arg(u64::try_from(delay_ms).unwrap_or(u64::MAX / 2))
            .arg(how.unwrap_or_default());
        ends.push(end);
    }
    let answer: Vec<String> = engine.acks.run(&script).await?;
    let mut verdicts = Vec::with_capacity(acks.len());
    let (mut over, mut again) = (Vec::new(), Again::default());
    for ((ack, end), judged) in acks.iter().zip(ends).zip(answer.chunks_exact(3)) {
        let [accepted, tries, body] = judged else {
            return Err(RedisError::Answer(format!("{judged:?}")));
        };
        if accepted != "1" {
            verdicts.push(Verdict::Stale);
            continue;
        }
        verdicts.push(Verdict::Accepted);
        let tries = Tries::read(tries);
        match end {
            Some(end) => over.push(Ended {
                id: ack.id,
                body: Body::read(&ack.id.to_string(), body)?,
                tries,
                end,
            }),
            None => again.push(ack, tries),
        }
    }
    if verdicts.len() != acks.len() {
        return Err(RedisError::Answer(format!(
            "{} verdicts for {}",
            verdicts.len(),
            acks.len()
        )));
    }
    again.write(engine, worker).await?;
    lease::end_cancelled(engine, &again.ids).await?;
    // A row in PostgreSQL may hold a key: whoever asks for it next must not find a job that is over. Without a
    // row the history may come a moment later.
    let (rows, fleeting): (Vec<Ended>, Vec<Ended>) =
        over.into_iter().partition(|job| job.body.durable);
    ended::keep(engine, &rows).await?;
    if let Some(refused) = engine.later.take_in(fleeting) {
        ended::keep(engine, &refused).await?;
    }
    keep_lines(engine.pool(), acks, &verdicts).await?;
    Ok(verdicts)
}

/// Attempts that did not end their job, as PostgreSQL keeps them.
#[derive(Default)]
struct Again {
    ids: Vec<i64>,
    codes: Vec<i16>,
    delays: Vec<i64>,
    attempts: Vec<i16>,
    snoozes: Vec<i32>,
    whys: Vec<String>,
    errors: Vec<Option<String>>,
    ran: Vec<i64>,
}

impl Again {
    fn push(&mut self, ack: &Ack, tries: Tries) {
        let (code, delay, why, error) = match &ack.outcome {
            Outcome::Retry { after, error } => (
                1,
                micros(*after),
                format!("retry after: {}", error.message),
                Some(json(error)),
            ),
            Outcome::Snooze { after, reason } => (4, micros(*after), reason.clone(), None),
            _ => (5, 0, "handed back at shutdown".to_owned(), None),
        };
        self.ids.push(ack.id);
        self.codes.push(code);
        self.delays.push(delay);
        self.attempts.push(tries.attempts);
        self.snoozes.push(tries.snoozes);
        self.whys.push(why.replace('\0', ""));
        self.errors.push(error);
        self.ran.push(micros(ack.ran));
    }

    async fn write(&self, engine: &RedisEngine, worker: &str) -> Res<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "queries/redis_again.sql",
            worker,
            &self.ids,
            &self.codes,
            &self.delays,
            &self.attempts,
            &self.snoozes,
            &self.whys,
            &self.errors as &[Option<String>],
            &self.ran
        )
        .execute(engine.pool())
        .await?;
        Ok(())
    }
}
