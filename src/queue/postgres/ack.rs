//! Acknowledging: the only place a job leaves the hot table by its own doing.

use crate::Outcome;
use crate::engine::{Ack, Verdict};
use sqlx::PgPool;
use std::collections::HashSet;
use std::time::Duration;

pub(super) async fn ack(pool: &PgPool, worker: &str, acks: &[Ack]) -> sqlx::Result<Vec<Verdict>> {
    let mut columns = Columns::default();
    for ack in acks {
        columns.push(ack);
    }
    let accepted: HashSet<(i64, i64)> = sqlx::query_file!(
        "queries/ack.sql",
        worker,
        &columns.ids,
        &columns.tokens,
        &columns.codes,
        &columns.delays,
        &columns.reports as &[Option<String>],
        &columns.errors as &[Option<String>],
        &columns.ran,
        &columns.whys as &[Option<String>]
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(|row| (row.id, row.token))
    .collect();
    Ok(acks
        .iter()
        .map(|ack| {
            if accepted.contains(&(ack.id, ack.token)) {
                Verdict::Accepted
            } else {
                Verdict::Stale
            }
        })
        .collect())
}

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
fn json(value: &impl serde::Serialize) -> String {
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

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 1_000_000)
}
