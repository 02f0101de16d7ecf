//! What of a job travels to Redis, what is counted there, and how its end is told.

use super::{RedisError, Res};
use crate::engine::Ack;
use crate::{Envelope, Outcome};
use serde::{Deserialize, Serialize};

/// Short names: there is one of these for every job that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Body {
    #[serde(rename = "k")]
    pub(super) kind: String,
    #[serde(rename = "v")]
    pub(super) version: i16,
    /// JSON text.
    #[serde(rename = "a")]
    pub(super) args: String,
    #[serde(rename = "m")]
    pub(super) max_attempts: i16,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) run_id: Option<i64>,
    /// Microseconds of the epoch.
    #[serde(rename = "c")]
    pub(super) created_us: i64,
    #[serde(rename = "p")]
    pub(super) level: i16,
    #[serde(rename = "l")]
    pub(super) lane: i32,
    /// The key it holds in Redis, when it is not durable.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(super) unique: Option<String>,
    /// Its row in PostgreSQL holds a key that is free again once it is claimed.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) frees_key: bool,
    /// It has a row in PostgreSQL.
    #[serde(rename = "d")]
    pub(super) durable: bool,
}

impl Body {
    pub(super) fn read(id: &str, text: &str) -> Res<Self> {
        serde_json::from_str(text).map_err(|source| RedisError::Body {
            id: id.to_owned(),
            source,
        })
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn envelope(&self) -> Envelope {
        Envelope {
            kind: self.kind.clone(),
            version: self.version,
            args: self.args.clone(),
        }
    }
}

/// `attempts,snoozes,rescues,quarantined,last token`; empty for a job nothing has happened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) attempts: i16,
    pub(super) snoozes: i32,
    pub(super) rescues: i16,
    pub(super) quarantined: bool,
}

impl Tries {
    pub(super) fn read(text: &str) -> Self {
        let mut parts = text.split(',');
        let mut next = || {
            parts
                .next()
                .and_then(|part| part.parse::<i32>().ok())
                .unwrap_or(0)
        };
        let short = |n: i32| i16::try_from(n).unwrap_or(i16::MAX);
        Self {
            attempts: short(next()),
            snoozes: next(),
            rescues: short(next()),
            quarantined: next() == 1,
        }
    }

    pub(super) fn text(self) -> String {
        if self == Self::default() {
            return String::new();
        }
        let quarantined = i32::from(self.quarantined);
        format!(
            "{},{},{},{quarantined},",
            self.attempts, self.snoozes, self.rescues
        )
    }
}

/// How a job ended, as it waits for the history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct End {
    /// 0 done, 2 dead, 3 cancelled.
    pub(super) code: i16,
    pub(super) ran_us: i64,
    pub(super) worker: String,
    /// The tries already count this attempt.
    #[serde(default)]
    pub(super) counted: bool,
    /// JSON text.
    #[serde(default)]
    pub(super) report: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

impl End {
    pub(super) fn of(ack: &Ack, worker: &str) -> Option<Self> {
        use crate::postgres::json;
        let (code, report, error) = match &ack.outcome {
            Outcome::Done(serde_json::Value::Null) => (0, None, None),
            Outcome::Done(report) => (0, Some(json(report)), None),
            Outcome::Dead(error) => (2, None, Some(json(error))),
            Outcome::Cancelled { reason } => (
                3,
                Some(json(&serde_json::json!({ "cancelled": reason }))),
                None,
            ),
            Outcome::Retry { .. } | Outcome::Snooze { .. } | Outcome::HandBack => return None,
        };
        Some(Self {
            code,
            ran_us: crate::postgres::micros(ack.ran),
            worker: worker.to_owned(),
            counted: false,
            report,
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_read_as_they_are_written() {
        let tries = Tries {
            attempts: 2,
            snoozes: 40_000,
            rescues: 1,
            quarantined: true,
        };
        assert_eq!(Tries::read(&format!("{}77", tries.text())), tries);
        assert_eq!(Tries::read(""), Tries::default());
        assert_eq!(Tries::default().text(), "");
    }
}
