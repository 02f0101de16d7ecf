//! Drops what still runs when an operator cancels it, or when the worker's grace is over; then the attempt
//! is given back.

use super::Failure;
use crate::Outcome;
use crate::engine::Claimed;
use apalis_core::task::Task;
use futures::future::BoxFuture;
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;
use tower::Service;

#[derive(Clone)]
pub(crate) struct Cancel<S> {
    inner: S,
    cut: CancellationToken,
}

impl<S> Cancel<S> {
    pub(crate) fn new(inner: S, cut: CancellationToken) -> Self {
        Self { inner, cut }
    }
}

impl<S> Service<Task<Claimed>> for Cancel<S>
where
    S: Service<Task<Claimed>, Response = Outcome, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = Outcome;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Outcome, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let running = task.args.attempt.clone();
        let attempt = self.inner.call(task);
        let cut = self.cut.clone();
        Box::pin(async move {
            tokio::select! {
                biased;
                result = attempt => result,
                who = running.cancelled() => Ok(Outcome::Cancelled { reason: format!("by {who}") }),
                () = cut.cancelled() => Err(Failure::Cut),
            }
        })
    }
}
