//! Tells the pump that an attempt begins, and how it ended the moment it ends.

use crate::Outcome;
use crate::engine::{Ack, Claimed};
use crate::pump::Pump;
use apalis_core::task::Task;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::{Layer, Service};

#[derive(Clone)]
pub(crate) struct AckLayer {
    pump: Arc<Pump>,
}

impl AckLayer {
    pub(crate) fn new(pump: Arc<Pump>) -> Self {
        Self { pump }
    }
}

impl<S> Layer<S> for AckLayer {
    type Service = AckService<S>;
    fn layer(&self, inner: S) -> AckService<S> {
        AckService {
            inner,
            pump: self.pump.clone(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct AckService<S> {
    inner: S,
    pump: Arc<Pump>,
}

impl<S> Service<Task<Claimed>> for AckService<S>
where
    S: Service<Task<Claimed>, Response = Outcome>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = ();
    /// Our stack cannot fail; the type is whatever the layers apalis puts between say.
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<(), S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let (id, token, received) = (task.args.id, task.args.token, task.args.received);
        let (number, running) = (task.args.attempts_used + 1, task.args.attempt.clone());
        let pump = self.pump.clone();
        // Between the loop's buffer and here the worker may have been told to stop.
        if pump.stopping() {
            pump.put_back(task.args);
            return Box::pin(std::future::ready(Ok(())));
        }
        pump.begin(&task.args);
        let begun = Instant::now();
        let attempt = self.inner.call(task);
        Box::pin(async move {
            let outcome = attempt.await?;
            if running.given_up() {
                pump.counters.stale.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            pump.acknowledge(Ack {
                id,
                token,
                outcome,
                ran: begun.elapsed(),
                received,
                attempt: number,
                lines: running.take_lines(),
            });
            Ok(())
        })
    }
}
