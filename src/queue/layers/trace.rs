//! A span around every attempt, and one line for every attempt that did not end well.

use crate::engine::Claimed;
use crate::{Meters, Outcome};
use apalis_core::task::Task;
use futures::future::BoxFuture;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::Service;
use tracing::Instrument;

#[derive(Clone)]
pub(crate) struct Trace<S> {
    inner: S,
}

impl<S> Trace<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Task<Claimed>> for Trace<S>
where
    S: Service<Task<Claimed>, Response = Outcome, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Outcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let kind = task.args.envelope.kind.clone();
        let span = tracing::info_span!(
            "job",
            otel.name = kind,
            otel.kind = "consumer",
            otel.status_code = tracing::field::Empty,
            job.kind = kind,
            job.id = task.args.id,
            job.attempt = task.args.attempts_used + 1,
            job.outcome = tracing::field::Empty,
        );
        if !span.is_disabled() {
            crate::spans::join(&span, task.args.run_id, task.args.id);
        }
        let begun = Instant::now();
        let attempt = self.inner.call(task);
        Box::pin(
            async move {
                let outcome = attempt.await?;
                let ran = begun.elapsed();
                Meters::of_process().ended(&kind, &outcome, ran);
                tracing::Span::current().record("job.outcome", outcome.word());
                if matches!(outcome, Outcome::Retry { .. } | Outcome::Dead(_)) {
                    tracing::Span::current().record("otel.status_code", "ERROR");
                }
                let duration_ms = ran.as_secs_f64() * 1e3;
                match &outcome {
                    Outcome::Done(_) => tracing::debug!(duration_ms, "job done"),
                    Outcome::Retry { after, error } => {
                        tracing::warn!(duration_ms, error = error.message, chain = ?error.chain, ?after, "job failed, will try again");
                    }
                    Outcome::Dead(error) => {
                        tracing::error!(duration_ms, error = error.message, chain = ?error.chain, "job is dead");
                    }
                    Outcome::Snooze { after, reason } => {
                        tracing::info!(duration_ms, ?after, reason, "job snoozed");
                    }
                    Outcome::Cancelled { reason } => tracing::info!(reason, "job cancelled"),
                    Outcome::HandBack => tracing::info!(duration_ms, "job handed back at shutdown"),
                }
                Ok(outcome)
            }
            .instrument(span),
        )
    }
}
