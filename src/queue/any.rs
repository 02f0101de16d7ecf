//! Whichever engine the configuration names.

use crate::bulk::{Change, Revival};
use crate::engine::{
    Ack, Cancelled, Claim, Claimed, Engine, EngineError, Enqueued, Rescued, Verdict, Wakes,
};
use crate::{Enqueue, JobRecord, Lane, PostgresEngine, QueueName, RedisEngine};
use sqlx::PgConnection;

#[derive(Clone)]
pub enum AnyEngine {
    Postgres(PostgresEngine),
    Redis(RedisEngine),
}

impl From<PostgresEngine> for AnyEngine {
    fn from(engine: PostgresEngine) -> Self {
        Self::Postgres(engine)
    }
}

impl From<RedisEngine> for AnyEngine {
    fn from(engine: RedisEngine) -> Self {
        Self::Redis(engine)
    }
}

impl AnyEngine {
    /// The engine's connections to PostgreSQL.
    pub fn pool(&self) -> &sqlx::PgPool {
        match self {
            Self::Postgres(engine) => engine.pool(),
            Self::Redis(engine) => engine.pool(),
        }
    }

    /// Seals secret arguments with this.
    #[must_use]
    pub fn sealing(self, sealer: std::sync::Arc<dyn crate::ArgSealer>) -> Self {
        match self {
            Self::Postgres(engine) => engine.sealing(sealer).into(),
            Self::Redis(engine) => engine.sealing(sealer).into(),
        }
    }

    /// Lanes with what runs in them as the engine counts it: every one, or those of one queue.
    pub async fn lanes(&self, queue: Option<QueueName>) -> Result<Vec<Lane>, EngineError> {
        let failed = |source: sqlx::Error| EngineError {
            operation: "list lanes",
            source: source.into(),
        };
        let mut conn = self.pool().acquire().await.map_err(failed)?;
        let mut lanes = Lane::list(&mut conn, queue).await.map_err(failed)?;
        if let Self::Redis(redis) = self {
            redis.count_running(&mut lanes).await?;
        }
        Ok(lanes)
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }
}

macro_rules! either {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            AnyEngine::Postgres($engine) => $call,
            AnyEngine::Redis($engine) => $call,
        }
    };
}

impl Engine for AnyEngine {
    async fn enqueue(
        &self,
        conn: &mut PgConnection,
        orders: &[Enqueue],
    ) -> Result<Vec<Enqueued>, EngineError> {
        either!(self, engine => engine.enqueue(conn, orders).await)
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Claimed>, EngineError> {
        either!(self, engine => engine.claim(claim).await)
    }

    async fn started(&self, jobs: &[(i64, i64)]) -> Result<u64, EngineError> {
        either!(self, engine => engine.started(jobs).await)
    }

    async fn ack(&self, worker: &str, acks: &[Ack]) -> Result<Vec<Verdict>, EngineError> {
        either!(self, engine => engine.ack(worker, acks).await)
    }

    async fn renew(
        &self,
        worker: &str,
        queues: &[QueueName],
        tokens: &[i64],
    ) -> Result<u64, EngineError> {
        either!(self, engine => engine.renew(worker, queues, tokens).await)
    }

    async fn rescue(&self) -> Result<Rescued, EngineError> {
        either!(self, engine => engine.rescue().await)
    }

    async fn cancel(&self, id: i64, who: &str) -> Result<Cancelled, EngineError> {
        either!(self, engine => engine.cancel(id, who).await)
    }

    async fn revive(
        &self,
        conn: &mut PgConnection,
        jobs: &[Revival],
        who: &str,
    ) -> Result<Vec<i64>, EngineError> {
        either!(self, engine => engine.revive(conn, jobs, who).await)
    }

    async fn reschedule(&self, changes: &[Change], why: &str) -> Result<Vec<i64>, EngineError> {
        either!(self, engine => engine.reschedule(changes, why).await)
    }

    async fn cancelling(&self, ids: &[i64]) -> Result<Vec<(i64, String)>, EngineError> {
        either!(self, engine => engine.cancelling(ids).await)
    }

    async fn progress(
        &self,
        reports: &[(i64, i64, serde_json::Value)],
    ) -> Result<u64, EngineError> {
        either!(self, engine => engine.progress(reports).await)
    }

    async fn retire(&self, worker: &str) -> Result<(), EngineError> {
        either!(self, engine => engine.retire(worker).await)
    }

    async fn find(&self, id: i64) -> Result<Option<JobRecord>, EngineError> {
        either!(self, engine => engine.find(id).await)
    }

    fn wakes(&self) -> Wakes {
        either!(self, engine => engine.wakes())
    }

    async fn listen(&self) {
        either!(self, engine => engine.listen().await);
    }
}
