//! Turns every end (result, error, panic, timeout) into an outcome, by the job's policy.
//!
//! Nothing waits here: a retry is written to `run_at` and the slot is free at once.

use super::{Failure, Policies};
use crate::engine::Claimed;
use crate::running::Chances;
use crate::{ErrorRecord, FailureClass, JobError, Outcome, Policy};
use apalis_core::task::Task;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::Service;

#[derive(Clone)]
pub(crate) struct Retry<S> {
    inner: S,
    policies: Policies,
}

/// A partner may ask for any wait; less than this hammers it, more than this loses the night.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(6 * 3600));
/// A kind this binary does not know is left for a newer one.
const UNKNOWN_WAITS: Duration = Duration::from_secs(30);

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, policies: Policies) -> Self {
        Self { inner, policies }
    }
}

impl<S> Service<Task<Claimed>> for Retry<S>
where
    S: Service<Task<Claimed>, Response = Outcome, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = Outcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner stack is always ready: nothing in it waits for a slot.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let job = Spent {
            attempt: task.args.attempts_used + 1,
            max_attempts: task.args.max_attempts,
            age: Duration::try_from(task.args.claimed_at.duration_since(task.args.created_at))
                .unwrap_or_default(),
            policy: self
                .policies
                .get(task.args.envelope.kind.as_str())
                .copied()
                .unwrap_or(Policy::DEFAULT),
        };
        task.args.attempt.begin(Chances {
            began: Instant::now(),
            timeout: job.policy.timeout,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            backoff: job.policy.backoff,
        });
        let attempt = AssertUnwindSafe(self.inner.call(task)).catch_unwind();
        Box::pin(async move {
            Ok(match attempt.await {
                Ok(Ok(Outcome::Snooze { after, reason })) => job.snooze(after, reason),
                Ok(Ok(outcome)) => outcome,
                Ok(Err(failure)) => job.failed(failure),
                Err(panic) => job.again(ErrorRecord::new(FailureClass::Panic, words(&panic)), None),
            })
        })
    }
}

/// What is left of a job's chances.
struct Spent {
    attempt: u16,
    max_attempts: u16,
    age: Duration,
    policy: Policy,
}

impl Spent {
    fn failed(&self, failure: Failure) -> Outcome {
        match failure {
            Failure::Job(JobError::Retry { error, after }) => self.again(error, after),
            Failure::Job(JobError::Snooze { after, reason }) => self.snooze(after, reason),
            Failure::Job(JobError::Reject(error)) => Outcome::Dead(error),
            Failure::TimedOut(_) => self.again(failure.into(), None),
            Failure::Cut => Outcome::HandBack,
            Failure::Unknown => Outcome::Snooze {
                after: UNKNOWN_WAITS,
                reason: "no worker here knows this kind or version".to_owned(),
            },
        }
    }

    fn again(&self, error: ErrorRecord, after: Option<Duration>) -> Outcome {
        if self.attempt >= self.max_attempts {
            return Outcome::Dead(error);
        }
        let after = match after {
            Some(asked) => asked.clamp(RETRY_AFTER.0, RETRY_AFTER.1),
            None => self.policy.backoff.delay(self.attempt, draw()),
        };
        Outcome::Retry { after, error }
    }

    fn snooze(&self, after: Duration, reason: String) -> Outcome {
        if self.age > self.policy.snooze_limit {
            return Outcome::Dead(ErrorRecord::new(
                FailureClass::Deadline,
                format!("snoozed until its deadline passed; last reason: {reason}"),
            ));
        }
        Outcome::Snooze { after, reason }
    }
}

fn words(panic: &Box<dyn Any + Send>) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked without words".to_owned())
}

/// A fraction in `0.0..1.0`: jitter need not be unpredictable, only spread.
fn draw() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
