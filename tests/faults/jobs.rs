//! Jobs whose doings can be counted: every start is a line in a file, every effect a row.

use queue::{
    Backoff, CallEnd, Catalogue, Effects, Job, JobContext, JobError, Outcome, Partners, Policy,
    QueueName,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub struct Stage {
    pub pool: PgPool,
    pub engine_pool: PgPool,
    pub partners: Partners,
    pub notes: PathBuf,
}

impl Stage {
    /// One line, written in one piece: it survives what comes after.
    fn note(&self, file: &str, text: &str) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let line = format!("{} {text}\n", now.as_millis());
        let mut options = std::fs::OpenOptions::new();
        if let Ok(mut file) = options
            .create(true)
            .append(true)
            .open(self.notes.join(file))
        {
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// The effect and its entry in the effects ledger stand or fall together.
    async fn make(&self, job: i64, step: &str) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if Effects::first(&mut tx, job, step, "made").await? {
            sqlx::query("INSERT INTO made (job_id) VALUES ($1)")
                .bind(job)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }
}

const POLICY: Policy = Policy {
    queue: QueueName::Index,
    // A fault of a server costs attempts; that is not what is judged here.
    max_attempts: 50,
    backoff: Backoff {
        base: Duration::from_millis(200),
        cap: Duration::from_secs(2),
    },
    timeout: Duration::from_secs(900),
    ..Policy::DEFAULT
};

pub fn catalogue(newer: bool) -> Catalogue<Stage> {
    let catalogue = Catalogue::default()
        .with::<Effect>()
        .with::<EffectThenDie>()
        .with::<Fatal>()
        .with::<Burn>()
        .with::<HoldPool>()
        .with::<Call>()
        .guarded(|stage, partner| stage.partners.refused(partner));
    if newer {
        catalogue.with::<Newer>()
    } else {
        catalogue
    }
}

/// Takes a while, then does one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Effect {
    pub n: u32,
    pub ms: u64,
}

impl Job for Effect {
    type App = Stage;
    const NAME: &'static str = "effect";
    const POLICY: Policy = POLICY;
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        stage.note("starts", &format!("{} {}", cx.id, cx.attempt));
        tokio::time::sleep(Duration::from_millis(self.ms)).await;
        stage.make(cx.id, "effect").await?;
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// Does its thing and dies before it can say so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EffectThenDie {}

impl Job for EffectThenDie {
    type App = Stage;
    const NAME: &'static str = "effect_then_die";
    const POLICY: Policy = POLICY;
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        let died = stage.notes.join(format!("died-{}", cx.id));
        stage.make(cx.id, "effect").await?;
        if !died.exists() {
            // Long enough alive that the engine has heard that it began.
            tokio::time::sleep(Duration::from_millis(400)).await;
            stage.note(&format!("died-{}", cx.id), "");
            std::process::abort();
        }
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Panic,
    Abort,
    Overflow,
    Loop,
}

/// Never ends well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fatal {
    pub how: How,
}

impl Job for Fatal {
    type App = Stage;
    const NAME: &'static str = "fatal";
    const POLICY: Policy = Policy {
        max_attempts: 2,
        timeout: Duration::from_secs(1),
        ..POLICY
    };
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        stage.note("starts", &format!("{} {}", cx.id, cx.attempt));
        match self.how {
            How::Panic => panic!("as asked"),
            How::Abort => std::process::abort(),
            How::Overflow => Ok(Outcome::Done(deep(u64::from(cx.attempt)).into())),
            How::Loop => loop {
                std::hint::spin_loop();
            },
        }
    }
}

#[expect(unconditional_recursion, reason = "it is meant to end the process")]
fn deep(n: u64) -> u64 {
    let room = std::hint::black_box([n; 4096]);
    deep(n + room[7]) + room[9]
}

/// Burns a thread for longer than a lease, which must not cost it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Burn {
    pub ms: u64,
}

impl Job for Burn {
    type App = Stage;
    const NAME: &'static str = "burn";
    const POLICY: Policy = POLICY;
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        stage.note("starts", &format!("{} {}", cx.id, cx.attempt));
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(self.ms) {
            std::hint::spin_loop();
        }
        stage.make(cx.id, "effect").await?;
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// Takes every connection of the engine but the listener's, and keeps them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HoldPool {
    pub ms: u64,
}

impl Job for HoldPool {
    type App = Stage;
    const NAME: &'static str = "hold_pool";
    const POLICY: Policy = POLICY;
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        stage.note("starts", &format!("{} {}", cx.id, cx.attempt));
        let mut held = Vec::new();
        for _ in 1..stage.engine_pool.options().get_max_connections() {
            held.push(stage.engine_pool.acquire().await?);
        }
        tokio::time::sleep(Duration::from_millis(self.ms)).await;
        drop(held);
        stage.make(cx.id, "effect").await?;
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// Calls a partner that is down while a file says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub partner: String,
    pub n: u32,
}

impl Job for Call {
    type App = Stage;
    const NAME: &'static str = "call";
    const POLICY: Policy = Policy {
        max_attempts: 2,
        ..POLICY
    };
    fn partner(&self) -> Option<String> {
        Some(self.partner.clone())
    }
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        let permit = match stage.partners.admit(&self.partner, false).await? {
            Ok(permit) => permit,
            Err(refusal) => {
                return Ok(Outcome::Snooze {
                    after: refusal.wait,
                    reason: refusal.reason,
                });
            }
        };
        stage.note(&format!("calls-{}", self.partner), &cx.id.to_string());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let down = stage.notes.join(format!("down-{}", self.partner)).exists();
        let end = if down {
            CallEnd::Failed("503".to_owned())
        } else {
            CallEnd::Answered
        };
        stage
            .partners
            .report(&self.partner, permit, &end, Duration::from_millis(20))
            .await?;
        if down {
            // What a job does whose partner is at fault: it waits for the partner, and keeps its attempt.
            return Ok(Outcome::Snooze {
                after: Duration::from_secs(1),
                reason: "the partner answers 503".to_owned(),
            });
        }
        stage.make(cx.id, "effect").await?;
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// Known to the next release only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Newer {}

impl Job for Newer {
    type App = Stage;
    const NAME: &'static str = "newer";
    const POLICY: Policy = POLICY;
    async fn run(self, stage: &Stage, cx: &JobContext) -> Result<Outcome, JobError> {
        stage.make(cx.id, "effect").await?;
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}
