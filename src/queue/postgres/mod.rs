//! The PostgreSQL engine: the contract in SQL.
//!
//! One file per duty: `claim`, `ack`, `enqueue`, `lease`, `mend` (what operators do), `wakes`. The statements stand in
//! `queries/`, each with the plan it expects.

mod ack;
mod claim;
mod enqueue;
mod lease;
mod mend;
mod wakes;

pub(crate) use ack::{json, keep_lines, micros, refuses_data};
pub(crate) use enqueue::{enqueue as enqueue_rows, stored_key};
pub(crate) use lease::cancelling as cancelling_rows;
pub(crate) use lease::{ask_to_cancel, forget_lost_workers, sign_in};
pub(crate) use mend::{reschedule as reschedule_rows, revive as revive_rows};

use crate::bulk::{Change, Revival};
use crate::engine::{
    Ack, Cancelled, Claim, Claimed, Engine, EngineError, Enqueued, Rescued, Verdict, Wakes,
};
use crate::inspect::{JobRecord, Jobs};
use crate::lane_book::LaneBook;
use crate::secrets::{self, Sealing};
use crate::{ArgSealer, Enqueue, QueueName};
use claim::Marks;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::sync::Arc;
use tokio::sync::broadcast;

#[derive(Clone)]
pub struct PostgresEngine {
    /// Claims, acknowledgements, leases. Never shared with requests.
    pool: PgPool,
    lanes: Arc<LaneBook>,
    marks: Arc<Marks>,
    wakes: broadcast::Sender<QueueName>,
    sealing: Sealing,
}

/// Settings every engine connection wants: the statements are made for index scans, and a plan
/// made while the queue was empty must not survive into a full one.
pub fn engine_options(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("jit", "off"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_mergejoin", "off"),
        ("plan_cache_mode", "force_generic_plan"),
    ])
}

/// Settings of connections that answer operators: every part of a filter may be absent, so that one plan for
/// all of them suits none.
pub fn filter_options(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("jit", "off"), ("plan_cache_mode", "force_custom_plan")])
}

impl PostgresEngine {
    /// `pool` should have been made with [`engine_options`] and hold at least four connections.
    pub fn new(pool: PgPool) -> Self {
        let (wakes, _) = broadcast::channel(64);
        let lanes = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with((*pool.connect_options()).clone());
        Self {
            pool,
            lanes: Arc::new(LaneBook::new(lanes)),
            marks: Arc::default(),
            wakes,
            sealing: None,
        }
    }

    /// Seals secret arguments with this.
    #[must_use]
    pub fn sealing(mut self, sealer: Arc<dyn ArgSealer>) -> Self {
        self.sealing = Some(sealer);
        self
    }

    pub(crate) fn sealer(&self) -> &Sealing {
        &self.sealing
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn lanes(&self) -> &LaneBook {
        &self.lanes
    }
}

impl Engine for PostgresEngine {
    async fn enqueue(
        &self,
        conn: &mut PgConnection,
        orders: &[Enqueue],
    ) -> Result<Vec<Enqueued>, EngineError> {
        let orders = secrets::sealed(&self.sealing, orders)?;
        enqueue::enqueue(&self.lanes, conn, &orders)
            .await
            .map_err(failed("enqueue"))
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Claimed>, EngineError> {
        claim::claim(&self.pool, &self.lanes, &self.marks, claim)
            .await
            .map_err(failed("claim"))
    }

    async fn started(&self, jobs: &[(i64, i64)]) -> Result<u64, EngineError> {
        lease::started(&self.pool, jobs)
            .await
            .map_err(failed("mark started"))
    }

    async fn ack(&self, worker: &str, acks: &[Ack]) -> Result<Vec<Verdict>, EngineError> {
        ack::ack(&self.pool, worker, acks)
            .await
            .map_err(failed("acknowledge"))
    }

    async fn renew(
        &self,
        worker: &str,
        queues: &[QueueName],
        tokens: &[i64],
    ) -> Result<u64, EngineError> {
        lease::renew(&self.pool, worker, queues, tokens)
            .await
            .map_err(failed("renew leases"))
    }

    async fn rescue(&self) -> Result<Rescued, EngineError> {
        lease::rescue(&self.pool).await.map_err(failed("rescue"))
    }

    async fn cancel(&self, id: i64, who: &str) -> Result<Cancelled, EngineError> {
        lease::cancel(&self.pool, id, who)
            .await
            .map_err(failed("cancel"))
    }

    async fn revive(
        &self,
        conn: &mut PgConnection,
        jobs: &[Revival],
        who: &str,
    ) -> Result<Vec<i64>, EngineError> {
        mend::revive(conn, jobs, who)
            .await
            .map_err(failed("revive"))
    }

    async fn reschedule(&self, changes: &[Change], why: &str) -> Result<Vec<i64>, EngineError> {
        mend::reschedule(&self.pool, changes, why)
            .await
            .map_err(failed("reschedule"))
    }

    async fn cancelling(&self, ids: &[i64]) -> Result<Vec<(i64, String)>, EngineError> {
        lease::cancelling(&self.pool, ids)
            .await
            .map_err(failed("look for cancelled jobs"))
    }

    async fn progress(
        &self,
        reports: &[(i64, i64, serde_json::Value)],
    ) -> Result<u64, EngineError> {
        lease::progress(&self.pool, reports)
            .await
            .map_err(failed("report progress"))
    }

    async fn retire(&self, worker: &str) -> Result<(), EngineError> {
        lease::retire(&self.pool, worker)
            .await
            .map_err(failed("retire worker"))
    }

    async fn find(&self, id: i64) -> Result<Option<JobRecord>, EngineError> {
        let mut conn = self.pool.acquire().await.map_err(failed("find job"))?;
        Jobs::find(&mut conn, id).await.map_err(failed("find job"))
    }

    fn wakes(&self) -> Wakes {
        self.wakes.subscribe()
    }

    async fn listen(&self) {
        wakes::listen(self.pool.clone(), self.wakes.clone()).await;
    }
}

fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> EngineError {
    move |source| EngineError {
        operation,
        source: Box::new(source),
    }
}
