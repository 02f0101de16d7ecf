//! Finds the kind in the catalogue and runs it.

use super::Failure;
use crate::engine::Claimed;
use crate::running::CURRENT;
use crate::{Catalogue, JobContext, Outcome};
use apalis_core::task::Task;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::Service;

pub(crate) struct Handler<A> {
    catalogue: Arc<Catalogue<A>>,
    app: Arc<A>,
}

impl<A> Handler<A> {
    pub(crate) fn new(catalogue: Arc<Catalogue<A>>, app: Arc<A>) -> Self {
        Self { catalogue, app }
    }
}

impl<A> Clone for Handler<A> {
    fn clone(&self) -> Self {
        Self::new(self.catalogue.clone(), self.app.clone())
    }
}

impl<A: Send + Sync + 'static> Service<Task<Claimed>> for Handler<A> {
    type Response = Outcome;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Outcome, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let claimed = task.args;
        let Some(entry) = self.catalogue.find(&claimed.envelope) else {
            return Box::pin(std::future::ready(Err(Failure::Unknown)));
        };
        let cx = JobContext {
            id: claimed.id,
            attempt: claimed.attempts_used + 1,
            run_id: claimed.run_id,
            claimed_at: claimed.claimed_at,
            received: Instant::now(),
            running: claimed.attempt.clone(),
        };
        let running = claimed.attempt.clone();
        let run = self.catalogue.start(entry, claimed, self.app.clone(), cx);
        Box::pin(CURRENT.scope(running, async move { run.await.map_err(Failure::Job) }))
    }
}
