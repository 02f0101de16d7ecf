//! The Redis engine: live state in Redis, everything that lasts in PostgreSQL.
//!
//! A durable job is a row of `jobs_hot` from its enqueue, in the caller's transaction, to its end;
//! the outbox says which rows Redis has not been given yet. So uniqueness, history, inspection and
//! pruning are those of the PostgreSQL engine, and a lost Redis is built again from the rows.
//! A kind that a sweep can recreate may say `durable: false`: it goes straight to Redis.
//!
//! Invariant: a durable job's row is deleted only in the statement that writes its history, and
//! Redis forgets a job only after that. One hash tag holds every key, because limits of partners
//! are counted over all queues.
//!
//! One file per duty: `keys`, `link` (connections), `body` (what travels), `outbox` (enqueue and
//! relay), `claim`, `ack`, `lease`, `ended` (writing the history), `mend` (what
//! operators do), `rebuild`.

mod ack;
mod body;
mod claim;
mod ended;
mod ephemeral;
mod keys;
mod lease;
mod link;
mod mend;
mod outbox;
mod rebuild;

pub use ephemeral::Bucket;

use crate::bulk::{Change, Revival};
use crate::engine::{
    Ack, Cancelled, Claim, Claimed, Engine, EngineError, Enqueued, Rescued, Verdict, Wakes,
};
use crate::inspect::JobRecord;
use crate::lane_book::LaneBook;
use crate::{Enqueue, PostgresEngine, QueueName};
use keys::Keys;
use link::Link;
use sqlx::{PgConnection, PgPool};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

#[derive(Clone)]
pub struct RedisEngine {
    postgres: PostgresEngine,
    link: Link,
    /// Acknowledgements do not wait behind a large claim's answer.
    acks: Link,
    keys: Arc<Keys>,
    /// Claims of each queue so far: whose turn it is.
    turns: Arc<Mutex<HashMap<QueueName, usize>>>,
    wakes: broadcast::Sender<QueueName>,
    later: Arc<ended::Later>,
    relayed: Arc<outbox::Relayed>,
}

#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error("redis")]
    Redis(#[from] redis::RedisError),
    #[error("postgresql, beside redis")]
    Sql(#[from] sqlx::Error),
    #[error("this redis has not been given the jobs; it is being built again")]
    Stray,
    #[error("redis is {found}; {wanted} or newer is needed")]
    Version { found: String, wanted: &'static str },
    #[error("job {id} in redis cannot be read")]
    Body {
        id: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("redis answered {0:?}, which is no answer to what was asked")]
    Answer(String),
}

type Res<T> = Result<T, RedisError>;

impl RedisEngine {
    /// `url` as `redis://host:port/db` or `rediss://…`; `prefix` keeps installations on one Redis apart.
    /// Connects on first use, in the runtime that uses it.
    pub fn new(postgres: PostgresEngine, url: &str, prefix: &str) -> Result<Self, RedisError> {
        let (wakes, _) = broadcast::channel(64);
        Ok(Self {
            postgres,
            link: Link::new(url)?,
            acks: Link::new(url)?,
            keys: Arc::new(Keys::new(prefix)),
            turns: Arc::default(),
            wakes,
            later: Arc::default(),
            relayed: Arc::default(),
        })
    }

    /// Seals secret arguments with this.
    #[must_use]
    pub fn sealing(mut self, sealer: Arc<dyn crate::ArgSealer>) -> Self {
        self.postgres = self.postgres.sealing(sealer);
        self
    }

    /// What an operator should know before trusting this Redis with jobs: its version is an error, the
    /// rest are warnings in words.
    pub async fn check(&self) -> Result<Vec<String>, RedisError> {
        self.link.check().await
    }

    /// Claimed jobs are counted in Redis.
    pub(crate) async fn count_running(&self, lanes: &mut [crate::Lane]) -> Result<(), EngineError> {
        let mut ask = redis::cmd("HGETALL");
        ask.arg(&self.keys.open);
        let open = self.link.ask(&ask).await;
        let open: HashMap<String, i64> = open.map_err(failed("count running jobs"))?;
        let count = |key: String| {
            let running = open.get(&key).copied().unwrap_or(0);
            u32::try_from(running).unwrap_or(0)
        };
        for lane in lanes {
            lane.partner_running = count(crate::Scope::Partner(lane.partner.clone()).key());
            for limit in &mut lane.limits {
                limit.running = count(limit.scope.key());
            }
        }
        Ok(())
    }

    pub fn pool(&self) -> &PgPool {
        self.postgres.pool()
    }

    fn lanes(&self) -> &LaneBook {
        self.postgres.lanes()
    }
}

impl Engine for RedisEngine {
    async fn enqueue(
        &self,
        conn: &mut PgConnection,
        orders: &[Enqueue],
    ) -> Result<Vec<Enqueued>, EngineError> {
        let orders = crate::secrets::sealed(self.postgres.sealer(), orders)?;
        outbox::enqueue(self, conn, &orders)
            .await
            .map_err(failed("enqueue"))
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Claimed>, EngineError> {
        claim::claim(self, claim).await.map_err(failed("claim"))
    }

    async fn started(&self, jobs: &[(i64, i64)]) -> Result<u64, EngineError> {
        lease::started(self, jobs)
            .await
            .map_err(failed("mark started"))
    }

    async fn ack(&self, worker: &str, acks: &[Ack]) -> Result<Vec<Verdict>, EngineError> {
        ack::ack(self, worker, acks)
            .await
            .map_err(failed("acknowledge"))
    }

    async fn renew(
        &self,
        worker: &str,
        queues: &[QueueName],
        tokens: &[i64],
    ) -> Result<u64, EngineError> {
        lease::renew(self, worker, queues, tokens)
            .await
            .map_err(failed("renew leases"))
    }

    async fn rescue(&self) -> Result<Rescued, EngineError> {
        lease::rescue(self).await.map_err(failed("rescue"))
    }

    async fn retire(&self, worker: &str) -> Result<(), EngineError> {
        self.postgres.retire(worker).await
    }

    async fn cancel(&self, id: i64, who: &str) -> Result<Cancelled, EngineError> {
        lease::cancel(self, id, who).await.map_err(failed("cancel"))
    }

    async fn revive(
        &self,
        conn: &mut PgConnection,
        jobs: &[Revival],
        who: &str,
    ) -> Result<Vec<i64>, EngineError> {
        mend::revive(self, conn, jobs, who)
            .await
            .map_err(failed("revive"))
    }

    async fn reschedule(&self, changes: &[Change], why: &str) -> Result<Vec<i64>, EngineError> {
        mend::reschedule(self, changes, why)
            .await
            .map_err(failed("reschedule"))
    }

    async fn cancelling(&self, ids: &[i64]) -> Result<Vec<(i64, String)>, EngineError> {
        self.postgres.cancelling(ids).await
    }

    async fn progress(
        &self,
        reports: &[(i64, i64, serde_json::Value)],
    ) -> Result<u64, EngineError> {
        lease::progress(self, reports)
            .await
            .map_err(failed("report progress"))
    }

    async fn find(&self, id: i64) -> Result<Option<JobRecord>, EngineError> {
        lease::find(self, id).await.map_err(failed("find job"))
    }

    fn wakes(&self) -> Wakes {
        self.wakes.subscribe()
    }

    async fn listen(&self) {
        tokio::join!(
            link::listen(&self.link, &self.keys, &self.wakes),
            outbox::relay_for_ever(self),
            rebuild::watch(self),
            ended::keep_later(self),
        );
    }
}

fn failed(operation: &'static str) -> impl FnOnce(RedisError) -> EngineError {
    move |source| EngineError {
        operation,
        source: Box::new(source),
    }
}

#[cfg(feature = "conformance")]
impl RedisEngine {
    pub(crate) async fn settle_now(&self) -> Res<()> {
        rebuild::rebuild_if_lost(self).await?;
        // A test does not wait for the sweep.
        self.relayed.forget();
        outbox::relay(self).await?;
        Ok(())
    }

    pub(crate) async fn expire_leases_now(&self) -> Res<()> {
        let leases: Vec<String> = self
            .link
            .ask(redis::cmd("ZRANGE").arg(&self.keys.leases).arg(0).arg(-1))
            .await?;
        for token in leases {
            self.link
                .ask::<i64>(redis::cmd("ZADD").arg(&self.keys.leases).arg(1).arg(token))
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn grow_old_now(&self, id: i64, by: std::time::Duration) -> Res<()> {
        let body: String = self
            .link
            .ask(redis::cmd("HGET").arg(&self.keys.body).arg(id))
            .await?;
        let body = body::Body::read("", &body)?;
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        let lane = self.keys.lane(body.lane, body.level);
        self.link
            .ask::<String>(redis::cmd("ZINCRBY").arg(lane).arg(-by).arg(id))
            .await?;
        Ok(())
    }

    pub(crate) async fn open_now(&self) -> Res<i64> {
        let left: Vec<i64> = self
            .link
            .ask(redis::cmd("HVALS").arg(&self.keys.left))
            .await?;
        Ok(left.into_iter().sum())
    }
}
