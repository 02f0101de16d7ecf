//! What a process knows of the attempts it runs: whether they are to be dropped, how far they are, what
//! they said, and whether they overstay.

use crate::{Backoff, ErrorRecord, FailureClass, Outcome};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Lines kept of one attempt, and characters of one line: a log in a loop must not fill the table.
const LINES: usize = 100;
const LONGEST_LINE: usize = 500;

/// One attempt, from its claim to its acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    cancel: CancellationToken,
    cancelled_by: OnceLock<String>,
    chances: OnceLock<Chances>,
    progress: Mutex<Option<Value>>,
    lines: Mutex<Lines>,
    /// The engine knows that it has begun.
    pub(crate) marked: AtomicBool,
    given_up: AtomicBool,
}

#[derive(Debug, Default)]
struct Lines {
    kept: Vec<String>,
    left_out: usize,
}

/// What the job's policy leaves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chances {
    pub(crate) began: Instant,
    pub(crate) timeout: Duration,
    pub(crate) attempt: u16,
    pub(crate) max_attempts: u16,
    pub(crate) backoff: Backoff,
}

impl Attempt {
    pub(crate) fn begin(&self, chances: Chances) {
        let _ = self.chances.set(chances);
    }

    pub(crate) fn cancel(&self, who: &str) {
        let _ = self.cancelled_by.set(who.to_owned());
        self.cancel.cancel();
    }

    /// Resolves when somebody wants the attempt dropped, with who.
    pub(crate) async fn cancelled(&self) -> String {
        self.cancel.cancelled().await;
        self.cancelled_by.get().cloned().unwrap_or_default()
    }

    pub(crate) fn report(&self, progress: Value) {
        *lock(&self.progress) = Some(progress);
    }

    /// The newest progress that has not been taken yet.
    pub(crate) fn take_progress(&self) -> Option<Value> {
        lock(&self.progress).take()
    }

    pub(crate) fn log(&self, mut line: String) {
        let mut lines = lock(&self.lines);
        if lines.kept.len() >= LINES {
            lines.left_out += 1;
            return;
        }
        if line.len() > LONGEST_LINE {
            let mut end = LONGEST_LINE;
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            line.truncate(end);
            line.push('…');
        }
        lines.kept.push(line);
    }

    pub(crate) fn take_lines(&self) -> Vec<String> {
        let mut lines = lock(&self.lines);
        let mut kept = std::mem::take(&mut lines.kept);
        if lines.left_out > 0 {
            kept.push(format!("… and {} more lines", lines.left_out));
        }
        kept
    }

    /// Its outcome, once it has run past its time by `more`: it never reached an await point, so nothing
    /// else can end it.
    pub(crate) fn overstayed(&self, more: Duration) -> Option<(Outcome, Chances)> {
        let chances = *self.chances.get()?;
        if chances.began.elapsed() < chances.timeout.saturating_add(more) || self.given_up() {
            return None;
        }
        let message = format!(
            "still running {} s after its time of {} s, without ever waiting: given up on",
            more.as_secs(),
            chances.timeout.as_secs_f64()
        );
        let error = ErrorRecord::new(FailureClass::Timeout, message);
        let outcome = if chances.attempt >= chances.max_attempts {
            Outcome::Dead(error)
        } else {
            Outcome::Retry {
                after: chances.backoff.delay(chances.attempt, 0.5),
                error,
            }
        };
        Some((outcome, chances))
    }

    /// Its end was told for it, and the engine took it in.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Somebody else has told its end.
    pub(crate) fn given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

tokio::task_local! {
    /// The attempt whose handler is being polled: where its log lines go.
    pub(crate) static CURRENT: std::sync::Arc<Attempt>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_a_loop_is_bounded_and_says_so() {
        let attempt = Attempt::default();
        for n in 0..1_000 {
            attempt.log(format!("{n} {}", "é".repeat(600)));
        }
        let lines = attempt.take_lines();
        assert_eq!(lines.len(), LINES + 1);
        assert!(lines[0].len() < LONGEST_LINE + 8 && lines[0].ends_with('…'));
        assert_eq!(lines[LINES], "… and 900 more lines");
    }

    #[test]
    fn an_attempt_that_overstays_is_told_once() {
        let attempt = Attempt::default();
        assert!(attempt.overstayed(Duration::ZERO).is_none(), "not begun");
        attempt.begin(Chances {
            began: Instant::now(),
            timeout: Duration::ZERO,
            attempt: 2,
            max_attempts: 2,
            backoff: Backoff {
                base: Duration::from_secs(1),
                cap: Duration::from_secs(1),
            },
        });
        let (outcome, _) = attempt.overstayed(Duration::ZERO).expect("overstayed");
        assert_eq!(outcome.word(), "dead");
        assert!(
            attempt.overstayed(Duration::ZERO).is_some(),
            "it could not be told: again"
        );
        attempt.give_up();
        assert!(attempt.overstayed(Duration::ZERO).is_none());
    }
}
