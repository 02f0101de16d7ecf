//! How an attempt ended, as a value. Nothing is encoded in error strings.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Finished, with the report the console shows.
    Done(serde_json::Value),
    /// Try again after this long; the attempt is used.
    Retry {
        after: Duration,
        error: ErrorRecord,
    },
    /// Not now: the attempt is given back.
    Snooze {
        after: Duration,
        reason: String,
    },
    /// Never again.
    Dead(ErrorRecord),
    Cancelled {
        reason: String,
    },
    /// The worker is stopping; the attempt is given back and the job is ready at once.
    HandBack,
}

impl Outcome {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Retry { .. } => "retry",
            Self::Snooze { .. } => "snooze",
            Self::Dead(_) => "dead",
            Self::Cancelled { .. } => "cancelled",
            Self::HandBack => "hand_back",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    Error,
    Panic,
    Timeout,
    /// The worker vanished while the job ran.
    Rescue,
    /// The arguments could not be read.
    Undecodable,
    /// Snoozed past its deadline.
    Deadline,
}

/// A failure as it is kept: its class, its words and what caused it, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    pub class: FailureClass,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

/// Kept per message; a partner's whole HTML page is no error message.
const LONGEST_MESSAGE: usize = 2_000;

impl ErrorRecord {
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        truncate(&mut message);
        Self {
            class,
            message,
            chain: Vec::new(),
        }
    }

    pub fn of(class: FailureClass, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut record = Self::new(class, error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            let mut text = error.to_string();
            truncate(&mut text);
            record.chain.push(text);
            cause = error.source();
        }
        record
    }
}

fn truncate(text: &mut String) {
    if text.len() > LONGEST_MESSAGE {
        let mut end = LONGEST_MESSAGE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("feed build failed")]
    struct Outer(#[source] Inner);
    #[derive(Debug, thiserror::Error)]
    #[error("disk full")]
    struct Inner;

    #[test]
    fn the_chain_is_kept_and_never_doubled() {
        let record = ErrorRecord::of(FailureClass::Error, &Outer(Inner));
        assert_eq!(record.message, "feed build failed");
        assert_eq!(record.chain, ["disk full"]);
    }

    #[test]
    fn a_page_of_html_is_cut_at_a_character() {
        let record = ErrorRecord::new(FailureClass::Error, "é".repeat(5_000));
        assert!(record.message.len() < 2_010 && record.message.ends_with('…'));
    }
}
