//! Acknowledging: the only place a job leaves the hot table by its own doing.

use crate::engine::{Ack, Verdict};
use crate::{ErrorRecord, FailureClass, Outcome};
use sqlx::{PgConnection, PgPool};
use std::collections::HashSet;
use std::time::Duration;

/// All at once. Should the server refuse the data of one (not the statement), that one is found by
/// halving and acknowledged without its words: it must not hold up its neighbours for ever.
pub(super) async fn ack(pool: &PgPool, worker: &str, acks: &[Ack]) -> sqlx::Result<Vec<Verdict>> {
    let mut verdicts = Vec::with_capacity(acks.len());
    let mut waiting = vec![acks];
    while let Some(slice) = waiting.pop() {
        match (ack_slice(pool, worker, slice).await, slice) {
            (Ok(judged), _) => verdicts.extend(judged),
            (Err(error), [one]) if refuses_data(&error) => {
                tracing::error!(job = one.id, %error, "an acknowledgement was refused, its report is left out");
                let plain = [Ack {
                    outcome: without_words(&one.outcome, &error),
                    ..one.clone()
                }];
                verdicts.extend(ack_slice(pool, worker, &plain).await?);
            }
            (Err(error), many) if refuses_data(&error) && !many.is_empty() => {
                let (first, second) = many.split_at(many.len() / 2);
                waiting.extend([second, first]);
            }
            (Err(error), _) => return Err(error),
        }
    }
    Ok(verdicts)
}

/// SQLSTATE class 22 (data exception) or 54 (a limit exceeded, such as nesting): sending it again
/// would change nothing.
pub(crate) fn refuses_data(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
}

fn without_words(outcome: &Outcome, error: &sqlx::Error) -> Outcome {
    let why = format!("the report could not be kept: {error}");
    let record = || ErrorRecord::new(FailureClass::Error, why.clone());
    match outcome {
        Outcome::Done(_) => Outcome::Done(serde_json::json!({ "lost": why })),
        Outcome::Retry { after, .. } => Outcome::Retry {
            after: *after,
            error: record(),
        },
        Outcome::Dead(_) => Outcome::Dead(record()),
        Outcome::Cancelled { .. } => Outcome::Cancelled { reason: why },
        Outcome::Snooze { after, .. } => Outcome::Snooze {
            after: *after,
            reason: why,
        },
        Outcome::HandBack => Outcome::HandBack,
    }
}

async fn ack_slice(pool: &PgPool, worker: &str, acks: &[Ack]) -> sqlx::Result<Vec<Verdict>> {
    let (mut done, mut other) = (Columns::default(), Columns::default());
    for ack in acks {
        match ack.outcome {
            Outcome::Done(_) => done.push(ack),
            _ => other.push(ack),
        }
    }
    let accepted = match (done.ids.is_empty(), other.ids.is_empty()) {
        (_, true) => done.send_done(&mut *pool.acquire().await?, worker).await?,
        (true, false) => other.send(&mut *pool.acquire().await?, worker).await?,
        // Both or neither: a slice that is sent again must not find half of itself gone.
        (false, false) => {
            let mut tx = pool.begin().await?;
            let mut accepted = done.send_done(&mut tx, worker).await?;
            accepted.extend(other.send(&mut tx, worker).await?);
            tx.commit().await?;
            accepted
        }
    };
    let verdicts: Vec<Verdict> = acks
        .iter()
        .map(|ack| {
            if accepted.contains(&(ack.id, ack.token)) {
                Verdict::Accepted
            } else {
                Verdict::Stale
            }
        })
        .collect();
    keep_lines(pool, acks, &verdicts).await?;
    Ok(verdicts)
}

/// What attempts logged. Not in the transaction of their end: lines are not worth an attempt.
pub(crate) async fn keep_lines(
    pool: &PgPool,
    acks: &[Ack],
    verdicts: &[Verdict],
) -> sqlx::Result<()> {
    let said = acks.iter().zip(verdicts).filter(|(ack, verdict)| {
        **verdict == Verdict::Accepted && !ack.lines.is_empty() && ack.outcome != Outcome::HandBack
    });
    let (mut ids, mut attempts, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for (ack, _) in said {
        ids.push(ack.id);
        attempts.push(i16::try_from(ack.attempt).unwrap_or(i16::MAX));
        lines.push(json(&ack.lines));
    }
    if !ids.is_empty() {
        let kept = sqlx::query!(
            "INSERT INTO job_logs (job_id, attempt, lines)
             SELECT id, attempt, lines::jsonb FROM unnest($1::bigint[], $2::smallint[], $3::text[]) u(id, attempt, lines)",
            &ids,
            &attempts,
            &lines
        )
        .execute(pool)
        .await;
        if let Err(error) = kept {
            tracing::warn!(%error, jobs = ids.len(), "lines of attempts could not be kept");
        }
    }
    Ok(())
}

type Accepted = HashSet<(i64, i64)>;

#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    tokens: Vec<i64>,
    codes: Vec<i16>,
    delays: Vec<i64>,
    reports: Vec<Option<String>>,
    errors: Vec<Option<String>>,
    ran: Vec<i64>,
    whys: Vec<Option<String>>,
}

impl Columns {
    async fn send_done(&self, conn: &mut PgConnection, worker: &str) -> sqlx::Result<Accepted> {
        let answer = sqlx::query_file!(
            "queries/ack_done.sql",
            worker,
            &self.ids,
            &self.tokens,
            &self.reports as &[Option<String>],
            &self.ran
        )
        .fetch_one(conn)
        .await?;
        Ok(self.accepted(answer.accepted, answer.ids, answer.tokens))
    }

    async fn send(&self, conn: &mut PgConnection, worker: &str) -> sqlx::Result<Accepted> {
        let answer = sqlx::query_file!(
            "queries/ack.sql",
            worker,
            &self.ids,
            &self.tokens,
            &self.codes,
            &self.delays,
            &self.reports as &[Option<String>],
            &self.errors as &[Option<String>],
            &self.ran,
            &self.whys as &[Option<String>]
        )
        .fetch_one(conn)
        .await?;
        Ok(self.accepted(answer.accepted, answer.ids, answer.tokens))
    }

    /// The statement names whom it took in only when that was not everybody.
    fn accepted(&self, count: i64, ids: Option<Vec<i64>>, tokens: Option<Vec<i64>>) -> Accepted {
        if usize::try_from(count).is_ok_and(|count| count == self.ids.len()) {
            let tokens = self.tokens.iter().copied();
            return self.ids.iter().copied().zip(tokens).collect();
        }
        let tokens = tokens.unwrap_or_default();
        ids.unwrap_or_default().into_iter().zip(tokens).collect()
    }

    fn push(&mut self, ack: &Ack) {
        self.ids.push(ack.id);
        self.tokens.push(ack.token);
        self.ran.push(micros(ack.ran));
        let (code, delay, report, error, why) = match &ack.outcome {
            Outcome::Done(serde_json::Value::Null) => (0, 0, None, None, None),
            Outcome::Done(report) => (0, 0, Some(json(report)), None, None),
            Outcome::Retry { after, error } => (
                1,
                micros(*after),
                None,
                Some(json(error)),
                Some(format!("retry after: {}", error.message)),
            ),
            Outcome::Dead(error) => (2, 0, None, Some(json(error)), None),
            Outcome::Cancelled { reason } => (
                3,
                0,
                Some(json(&serde_json::json!({ "cancelled": reason }))),
                None,
                None,
            ),
            Outcome::Snooze { after, reason } => {
                (4, micros(*after), None, None, Some(reason.clone()))
            }
            Outcome::HandBack => (5, 0, None, None, Some("handed back at shutdown".to_owned())),
        };
        self.codes.push(code);
        self.delays.push(delay);
        self.reports.push(report);
        self.errors.push(error);
        self.whys.push(why.map(|text| text.replace('\0', "")));
    }
}

/// As JSON text that jsonb takes: it has no NUL, so NUL characters are dropped from the strings
/// before they are encoded (dropping the escape afterwards would cut `\\\\u0000` in half).
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    if !text.contains("\\u0000") {
        return text;
    }
    let mut value = serde_json::from_str(&text).unwrap_or_default();
    drop_nul(&mut value);
    value.to_string()
}

fn drop_nul(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(drop_nul),
        Value::Object(fields) => {
            let cleaned = std::mem::take(fields)
                .into_iter()
                .map(|(mut key, mut value)| {
                    key.retain(|c| c != '\0');
                    drop_nul(&mut value);
                    (key, value)
                });
            *fields = cleaned.collect();
        }
        _ => {}
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 1_000_000)
}
