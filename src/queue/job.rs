//! What a job author writes.

use crate::running::Attempt;
use crate::{ErrorRecord, FailureClass, Outcome, Policy};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A kind of job: its arguments, and what running it does.
///
/// The arguments are ids and small values, never rows; the JSON is in the queue when the next
/// version is deployed, so a new field has a serde default.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// What the job works with: stores, partners, clocks.
    type App: Send + Sync + 'static;
    /// The wire name, also the metric label and the file's name.
    const NAME: &'static str;
    /// Raised when old arguments can no longer be read.
    const VERSION: i16 = 1;
    const POLICY: Policy;
    /// Top-level fields of the arguments that are sealed at rest and shown to nobody.
    const SECRETS: &'static [&'static str] = &[];

    /// Two jobs with the same key are the same work; see `Policy::unique`.
    fn key(&self) -> Option<String> {
        None
    }

    /// The partner this job calls, if any: it gives the lane.
    fn partner(&self) -> Option<String> {
        None
    }

    fn run(
        self,
        app: &Self::App,
        cx: &JobContext,
    ) -> impl Future<Output = Result<Outcome, JobError>> + Send;
}

/// What the engine says about this attempt. The wall clock comes from here.
#[derive(Clone, Debug)]
pub struct JobContext {
    pub id: i64,
    /// This attempt, counted from 1.
    pub attempt: u16,
    pub run_id: Option<i64>,
    pub(crate) claimed_at: Timestamp,
    pub(crate) received: Instant,
    pub(crate) running: Arc<Attempt>,
}

impl JobContext {
    /// Says how far the job is, in its own units; shown to whoever looks, at most twice a second.
    pub fn progress(&self, done: u64, total: Option<u64>, what: &str) {
        self.running
            .report(serde_json::json!({ "done": done, "total": total, "what": what }));
    }

    /// The engine's time: the database's clock at the claim, plus what has passed since.
    pub fn now(&self) -> Timestamp {
        self.claimed_at
            .checked_add(self.received.elapsed())
            .unwrap_or(self.claimed_at)
    }
}

/// Why a job did not finish. Any error becomes a retry by `?`; the other two are said.
#[derive(Debug)]
pub enum JobError {
    Retry {
        error: ErrorRecord,
        /// A partner's `Retry-After`; wins over the policy's backoff.
        after: Option<Duration>,
    },
    Snooze {
        after: Duration,
        reason: String,
    },
    /// Trying again cannot help.
    Reject(ErrorRecord),
}

impl JobError {
    pub fn reject(error: &(dyn Error + 'static)) -> Self {
        Self::Reject(ErrorRecord::of(FailureClass::Error, error))
    }

    pub fn reject_because(message: impl Into<String>) -> Self {
        Self::Reject(ErrorRecord::new(FailureClass::Error, message))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Retry {
            error: ErrorRecord::of(FailureClass::Error, &error),
            after: None,
        }
    }
}
