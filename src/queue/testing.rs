//! The test kit: run a job through the real layers and the real engine, one step at a time.
//!
//! Nothing here sleeps or spawns. What a test enqueues runs when the test says so, and
//! [`Stepper::left_behind`] tells what it forgot.

use crate::backend::task_of;
use crate::engine::{Ack, Claim, Claimed, Engine, EngineError, Verdict};
use crate::layers::{Stack, stack};
use crate::{Catalogue, Enqueue, Job, Outcome, QueueName};
use sqlx::{Connection, PgPool};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

pub struct Stepper<E, A> {
    engine: E,
    stack: Stack<A>,
    pool: PgPool,
    twice: bool,
}

/// One attempt that was run.
#[derive(Debug)]
pub struct Step {
    pub id: i64,
    pub kind: String,
    pub outcome: Outcome,
}

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("enqueue for a test")]
    Sql(#[from] sqlx::Error),
    #[error("arguments for a test")]
    Args(#[from] serde_json::Error),
    #[error("job {0} was enqueued but could not be claimed")]
    NotClaimed(i64),
    #[error("the engine refused the acknowledgement of job {0}")]
    Refused(i64),
}

/// The name test claims go under.
const WORKER: &str = "stepper";

impl<E: Engine, A: Send + Sync + 'static> Stepper<E, A> {
    pub fn new(engine: E, pool: PgPool, catalogue: &Arc<Catalogue<A>>, app: &Arc<A>) -> Self {
        Self {
            engine,
            stack: stack(catalogue, app, &CancellationToken::new()),
            pool,
            twice: false,
        }
    }

    /// From now on every job is delivered twice: its first worker dies after the last word, before anybody
    /// heard it.
    pub fn deliver_twice(&mut self) {
        self.twice = true;
    }

    /// Enqueues the job, runs it through every layer, acknowledges it. What it enqueues stays.
    pub async fn perform<J: Job<App = A>>(&mut self, job: &J) -> Result<Step, StepError> {
        let order = Enqueue::of(job)?.priority(crate::Priority::High);
        let mut conn = self.pool.acquire().await?;
        let id = self.engine.enqueue(&mut conn, &[order]).await?[0].id;
        drop(conn);
        let mut others = Vec::new();
        let found = loop {
            let mut batch = self.claim(J::POLICY.queue, 100).await?;
            let Some(place) = batch.iter().position(|job| job.id == id) else {
                if batch.is_empty() {
                    break None;
                }
                others.append(&mut batch);
                continue;
            };
            let job = batch.swap_remove(place);
            others.append(&mut batch);
            break Some(job);
        };
        self.give_back(&others).await?;
        match found {
            Some(job) => self.run(job).await,
            None => Err(StepError::NotClaimed(id)),
        }
    }

    /// Claims one due job of the queue and runs it.
    pub async fn step(&mut self, queue: QueueName) -> Result<Option<Step>, StepError> {
        match self.claim(queue, 1).await?.pop() {
            Some(job) => Ok(Some(self.run(job).await?)),
            None => Ok(None),
        }
    }

    /// Runs everything that is due, and what that enqueues, until nothing is.
    pub async fn run_all(&mut self) -> Result<Vec<Step>, StepError> {
        let mut steps = Vec::new();
        loop {
            let before = steps.len();
            for queue in QueueName::ALL {
                while let Some(step) = self.step(queue).await? {
                    steps.push(step);
                }
            }
            if steps.len() == before {
                return Ok(steps);
            }
        }
    }

    /// Jobs of a kind that wait for their time are due now.
    pub async fn hurry(&self, kind: &str) -> Result<(), StepError> {
        sqlx::query!(
            "UPDATE jobs_hot SET run_at = now() WHERE kind = $1 AND token IS NULL",
            kind
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Unfinished jobs, as `kind #id (state)`.
    pub async fn left_behind(&self) -> Result<Vec<String>, StepError> {
        // A connection of its own: this may be asked from another runtime than the pool's.
        let mut conn = sqlx::PgConnection::connect_with(&self.pool.connect_options()).await?;
        let rows = sqlx::query!("SELECT id, kind, why FROM jobs_hot ORDER BY id")
            .fetch_all(&mut conn)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| format!("{} #{} ({})", row.kind, row.id, row.why.unwrap_or_default()))
            .collect())
    }

    async fn claim(&self, queue: QueueName, max: usize) -> Result<Vec<Claimed>, StepError> {
        let claim = Claim {
            worker: WORKER,
            queue,
            max,
            woken: true,
            rescued: true,
        };
        Ok(self.engine.claim(claim).await?)
    }

    async fn run(&mut self, mut job: Claimed) -> Result<Step, StepError> {
        if self.twice {
            let Ok(_unheard) = self.stack.call(task_of(job.clone())).await;
            job.attempts_used += 1;
        }
        let (id, token, kind) = (job.id, job.token, job.envelope.kind.clone());
        let (number, running) = (job.attempts_used + 1, job.attempt.clone());
        let begun = Instant::now();
        let Ok(outcome) = self.stack.call(task_of(job)).await;
        let ack = Ack {
            id,
            token,
            outcome: outcome.clone(),
            ran: begun.elapsed(),
            received: begun,
            attempt: number,
            lines: running.take_lines(),
        };
        match self.engine.ack(WORKER, &[ack]).await?.first() {
            Some(Verdict::Accepted) => Ok(Step { id, kind, outcome }),
            _ => Err(StepError::Refused(id)),
        }
    }

    async fn give_back(&self, jobs: &[Claimed]) -> Result<(), StepError> {
        let acks: Vec<Ack> = jobs
            .iter()
            .map(|job| Ack {
                id: job.id,
                token: job.token,
                outcome: Outcome::HandBack,
                ran: std::time::Duration::ZERO,
                received: Instant::now(),
                attempt: 0,
                lines: Vec::new(),
            })
            .collect();
        if !acks.is_empty() {
            self.engine.ack(WORKER, &acks).await?;
        }
        Ok(())
    }
}
