//! One attempt may run as long as its policy says.

use super::{Failure, Policies};
use crate::engine::Claimed;
use crate::{Outcome, Policy};
use apalis_core::task::Task;
use futures::future::BoxFuture;
use std::task::{Context, Poll};
use tower::Service;

#[derive(Clone)]
pub(crate) struct Timeout<S> {
    inner: S,
    policies: Policies,
}

impl<S> Timeout<S> {
    pub(crate) fn new(inner: S, policies: Policies) -> Self {
        Self { inner, policies }
    }
}

impl<S> Service<Task<Claimed>> for Timeout<S>
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
        let limit = self
            .policies
            .get(task.args.envelope.kind.as_str())
            .map_or(Policy::DEFAULT.timeout, |policy| policy.timeout);
        let attempt = self.inner.call(task);
        Box::pin(async move {
            tokio::time::timeout(limit, attempt)
                .await
                .unwrap_or(Err(Failure::TimedOut(limit)))
        })
    }
}
