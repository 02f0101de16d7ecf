//! A job whose partner is known to be down goes back without running; its attempt is not used.

use super::Failure;
use crate::engine::Claimed;
use crate::{Catalogue, JobError, Outcome};
use apalis_core::task::Task;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

pub(crate) struct Breaker<S, A> {
    inner: S,
    catalogue: Arc<Catalogue<A>>,
    app: Arc<A>,
}

impl<S, A> Breaker<S, A> {
    pub(crate) fn new(inner: S, catalogue: Arc<Catalogue<A>>, app: Arc<A>) -> Self {
        Self {
            inner,
            catalogue,
            app,
        }
    }
}

impl<S: Clone, A> Clone for Breaker<S, A> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.catalogue.clone(), self.app.clone())
    }
}

impl<S, A: Send + Sync + 'static> Service<Task<Claimed>> for Breaker<S, A>
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
        let partner = &task.args.partner;
        if !partner.is_empty()
            && let Some(refusal) = self.catalogue.refused(&self.app, partner)
        {
            return Box::pin(std::future::ready(Err(Failure::Job(JobError::Snooze {
                after: refusal.wait,
                reason: refusal.reason,
            }))));
        }
        Box::pin(self.inner.call(task))
    }
}
