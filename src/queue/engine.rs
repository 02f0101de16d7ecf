//! The contract both engines keep. Everything is batched; every write carries its token.

use crate::bulk::{Change, Revival};
use crate::running::Attempt;
use crate::{Enqueue, Envelope, JobRecord, Outcome, QueueName};
use jiff::Timestamp;
use sqlx::PgConnection;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// A claim is good for this long unless renewed (engine clock).
pub const LEASE: Duration = Duration::from_secs(9);
/// Three chances to renew before a lease runs out.
pub const RENEWAL: Duration = Duration::from_secs(3);
/// A job that was alone in its batch when its worker died this often more is poison.
pub(crate) const RESCUES_ALLOWED: i32 = 3;

/// A claimed job. `token` fences every later write about this attempt.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: i64,
    pub token: i64,
    /// Attempts already used; the one about to start is this plus one.
    pub attempts_used: u16,
    pub max_attempts: u16,
    pub envelope: Envelope,
    pub run_id: Option<i64>,
    pub created_at: Timestamp,
    pub claimed_at: Timestamp,
    /// When the claim reached this process.
    pub received: Instant,
    pub lane: i32,
    /// Whom it calls; empty for nobody.
    pub partner: String,
    /// It was rescued before, and is in a batch of its own.
    pub alone: bool,
    /// How often its worker died while it was alone.
    pub rescues: u16,
    /// What this process knows of the attempt.
    pub(crate) attempt: Arc<Attempt>,
}

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    pub worker: &'a str,
    pub queue: QueueName,
    pub max: usize,
    /// Something was enqueued since the last claim: look again everywhere.
    pub woken: bool,
    /// A rescued job may come, alone. Not while this process holds one whose worker died before when it was
    /// alone: should it die again, nobody else must be taken for the culprit.
    pub rescued: bool,
}

#[derive(Clone, Debug)]
pub struct Ack {
    pub id: i64,
    pub token: i64,
    pub outcome: Outcome,
    /// How long the handler ran, on the worker's monotonic clock.
    pub ran: Duration,
    /// When the job was claimed, on the same clock.
    pub received: Instant,
    /// Which attempt this was, counted from 1.
    pub attempt: u16,
    /// What it logged, bounded.
    pub lines: Vec<String>,
}

/// What came of asking for a job's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is cancelled.
    AtOnce,
    /// It runs: its worker drops it at its next await point, within a renewal.
    Asked,
    /// It has ended, or never was.
    TooLate,
}

/// Whether an acknowledgement counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// Its lease was lost: someone else owns the job now.
    Stale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    pub id: i64,
    /// The key was taken; `id` is the job that has it.
    pub existing: bool,
}

/// What one pass of the reaper did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    pub returned: u64,
    pub buried: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("queue engine: {operation}")]
pub struct EngineError {
    pub operation: &'static str,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Wake-ups by queue name; lagging is harmless, a poll every second is the floor.
pub type Wakes = broadcast::Receiver<QueueName>;

type Res<T> = Result<T, EngineError>;

pub trait Engine: Clone + Send + Sync + Unpin + 'static {
    /// In the caller's transaction. One result per order, in order. A key already taken returns
    /// the job that has it and never hurts its neighbours.
    fn enqueue(
        &self,
        conn: &mut PgConnection,
        orders: &[Enqueue],
    ) -> impl Future<Output = Res<Vec<Enqueued>>> + Send;

    /// At most `max` due jobs of open lanes, by priority, then due time. A job that was rescued
    /// comes alone, in a batch of its own.
    fn claim(&self, claim: Claim<'_>) -> impl Future<Output = Res<Vec<Claimed>>> + Send;

    /// Marks attempts as begun: from here they count.
    fn started(&self, jobs: &[(i64, i64)]) -> impl Future<Output = Res<u64>> + Send;

    /// One verdict per acknowledgement, in order.
    fn ack(&self, worker: &str, acks: &[Ack]) -> impl Future<Output = Res<Vec<Verdict>>> + Send;

    /// Says the worker is alive and extends the leases of the tokens it knows to hold; returns how
    /// many. A claim whose answer was lost on the way is not among them: it runs out and its jobs
    /// are rescued.
    fn renew(
        &self,
        worker: &str,
        queues: &[QueueName],
        tokens: &[i64],
    ) -> impl Future<Output = Res<u64>> + Send;

    /// Returns jobs whose lease ran out to the queue; buries those out of attempts or rescues.
    fn rescue(&self) -> impl Future<Output = Res<Rescued>> + Send;

    /// Ends a job that waits; asks the worker of one that runs to drop it.
    fn cancel(&self, id: i64, who: &str) -> impl Future<Output = Res<Cancelled>> + Send;

    /// Puts dead and cancelled jobs back, in the caller's transaction; the ids of those that came back.
    fn revive(
        &self,
        conn: &mut PgConnection,
        jobs: &[Revival],
        who: &str,
    ) -> impl Future<Output = Res<Vec<i64>>> + Send;

    /// Gives waiting jobs another time or priority; the ids of those that were waiting.
    fn reschedule(
        &self,
        changes: &[Change],
        why: &str,
    ) -> impl Future<Output = Res<Vec<i64>>> + Send;

    /// Which of these jobs are to be dropped, and by whose word.
    fn cancelling(&self, ids: &[i64]) -> impl Future<Output = Res<Vec<(i64, String)>>> + Send;

    /// How far running attempts are: id, token, words. Stale tokens are ignored; returns how many were not.
    fn progress(
        &self,
        reports: &[(i64, i64, serde_json::Value)],
    ) -> impl Future<Output = Res<u64>> + Send;

    /// The worker is gone for good and holds nothing.
    fn retire(&self, worker: &str) -> impl Future<Output = Res<()>> + Send;

    fn find(&self, id: i64) -> impl Future<Output = Res<Option<JobRecord>>> + Send;

    /// Subscribes to the wake-ups that [`Engine::listen`] receives.
    fn wakes(&self) -> Wakes;

    /// Receives wake-ups, and does what else the engine needs done beside workers, for as long as it is
    /// polled; mends itself when a connection is lost.
    fn listen(&self) -> impl Future<Output = ()> + Send;
}
