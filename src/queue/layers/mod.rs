//! What happens to any job, outermost first: acknowledge, trace, retry, cancel, timeout, breaker,
//! handler.
//!
//! One worker serves many kinds, so each layer looks its job's policy up by `envelope.kind`.

mod ack;
mod breaker;
mod cancel;
mod handler;
mod retry;
mod timeout;
mod trace;

pub(crate) use ack::AckLayer;
pub(crate) use breaker::Breaker;
pub(crate) use cancel::Cancel;
pub(crate) use handler::Handler;
pub(crate) use retry::Retry;
pub(crate) use timeout::Timeout;
pub(crate) use trace::Trace;

use crate::{Catalogue, ErrorRecord, JobError, Policy};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How an attempt failed, before the policy has been asked.
#[derive(Debug)]
pub(crate) enum Failure {
    Job(JobError),
    TimedOut(Duration),
    /// The worker's grace ran out while the job still ran.
    Cut,
    /// This binary does not know the kind, or not in this version.
    Unknown,
}

impl From<Failure> for ErrorRecord {
    fn from(failure: Failure) -> Self {
        use crate::FailureClass;
        match failure {
            Failure::Job(JobError::Retry { error, .. } | JobError::Reject(error)) => error,
            Failure::TimedOut(limit) => ErrorRecord::new(
                FailureClass::Timeout,
                format!("still running after {} s", limit.as_secs_f64()),
            ),
            other => ErrorRecord::new(FailureClass::Error, format!("{other:?}")),
        }
    }
}

pub(crate) type Policies = Arc<HashMap<&'static str, Policy>>;

pub(crate) type Stack<A> = Trace<Retry<Cancel<Timeout<Breaker<Handler<A>, A>>>>>;

/// The stack every job goes through, in the worker and in the test kit alike.
pub(crate) fn stack<A: Send + Sync + 'static>(
    catalogue: &Arc<Catalogue<A>>,
    app: &Arc<A>,
    cut: &CancellationToken,
) -> Stack<A> {
    let policies: Policies = Arc::new(catalogue.iter().map(|e| (e.name, e.policy)).collect());
    let handler = Handler::new(catalogue.clone(), app.clone());
    let breaker = Breaker::new(handler, catalogue.clone(), app.clone());
    let timeout = Timeout::new(breaker, policies.clone());
    let cancel = Cancel::new(timeout, cut.clone());
    Trace::new(Retry::new(cancel, policies))
}
