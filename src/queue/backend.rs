//! Our pump behind apalis-core's `Persistence`.
//!
//! Two departures from the stock loop, each for a proved reason (ARCHITECTURE.md, "why"):
//! acknowledgements leave by our own layer, at once, not when the loop's buffer runs dry; and
//! `poll_close` hands the pump's buffer back, so that a stop leaks nothing until the lease ends.

use crate::engine::Claimed;
use crate::layers::AckLayer;
use crate::pump::Pump;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::persistence::{Persisted, Persistence, TaskEvent};
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct PumpPersistence {
    pump: Arc<Pump>,
    /// Handed to the worker loop in one go.
    batch: usize,
}

impl Persistence for PumpPersistence {
    type Compact = Claimed;
    type Response = ();
    type Error = Infallible;

    async fn register(&mut self, _: &WorkerContext) -> Result<(), Infallible> {
        Ok(())
    }

    /// Leases are renewed on a thread of their own: a busy poll loop must not lose them.
    async fn heartbeat(&mut self, _: &WorkerContext) -> Result<(), Infallible> {
        Ok(())
    }

    /// Waits for work and never fails: an error here would end the worker and drop what runs.
    async fn fetch_next(&mut self, _: &WorkerContext) -> Result<Vec<Task<Claimed>>, Infallible> {
        let jobs = self.pump.take(self.batch).await;
        Ok(jobs.into_iter().map(task_of).collect())
    }

    async fn reenqueue_abandoned(
        &mut self,
        tasks: Vec<Task<Claimed>>,
        _: &WorkerContext,
    ) -> Result<u64, Infallible> {
        let count = tasks.len();
        for task in tasks {
            self.pump.hand_back(task.args.id, task.args.token);
        }
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn handle_events(
        &mut self,
        _: Vec<TaskEvent<()>>,
        _: &WorkerContext,
    ) -> Result<(), Infallible> {
        Ok(())
    }

    /// Jobs enter by `Engine::enqueue`, in a transaction and with their ids; nothing pushes here.
    async fn push_tasks(&mut self, _: Vec<Task<Claimed>>) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The id carries the token: a second attempt never collides with a first one still running here.
pub(crate) fn task_of(job: Claimed) -> Task<Claimed> {
    let id = TaskId::from_string(format!("{}:{}", job.id, job.token));
    TaskBuilder::new(job).task_id(id).build()
}

pub(crate) struct PumpBackend {
    inner: Persisted<PumpPersistence>,
}

impl PumpBackend {
    pub(crate) fn new(pump: Arc<Pump>, batch: usize) -> Self {
        Self {
            inner: Persisted::new(PumpPersistence { pump, batch }),
        }
    }
}

/// Nothing rides on apalis's heartbeat; seldom is often enough.
const HEARTBEAT: Duration = Duration::from_secs(3600);

impl Backend for PumpBackend {
    type Task = Task<Claimed>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx, worker, HEARTBEAT)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.inner.poll_next(cx, worker)
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.inner.pump.stop();
        self.inner.poll_close(cx, worker)
    }
}

impl BackendConfig for PumpBackend {
    type Args = Claimed;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = AckLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> AckLayer {
        AckLayer::new(self.inner.pump.clone())
    }
}
