//! The real worker loop on the real engine: the pitfalls of apalis-core 1.0 and of the stock
//! storages, each as a test of ours (ARCHITECTURE.md, "why").
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use queue::testing::Stepper;
use queue::{
    Backoff, Catalogue, DrainReport, Engine, Enqueue, Job, JobContext, JobError, JobState, Outcome,
    Policy, PostgresEngine, QueueName, QueueSettings, WorkerSettings, Workers, engine_options,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// What the test's jobs do is steered from the test.
struct Stage {
    /// A waiting job goes on when it gets a permit.
    gate: Semaphore,
    begun: watch::Sender<usize>,
    unblock: AtomicBool,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            gate: Semaphore::new(0),
            begun: watch::Sender::new(0),
            unblock: AtomicBool::new(false),
        }
    }
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
enum Act {
    Finish,
    WaitForGate,
    Panic,
    Fail,
    Hang,
    /// Never reaches an await point until the test ends it.
    Block,
}

#[derive(Serialize, Deserialize)]
struct Play {
    act: Act,
}

impl Job for Play {
    type App = Stage;
    const NAME: &'static str = "play";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        max_attempts: 2,
        timeout: Duration::from_millis(300),
        backoff: Backoff {
            base: Duration::from_secs(60),
            cap: Duration::from_secs(60),
        },
        ..Policy::DEFAULT
    };
    async fn run(self, stage: &Stage, _: &JobContext) -> Result<Outcome, JobError> {
        stage.begun.send_modify(|n| *n += 1);
        match self.act {
            Act::Finish => {}
            Act::WaitForGate => stage.gate.acquire().await?.forget(),
            Act::Panic => panic!("the wheel came off"),
            Act::Fail => return Err(std::io::Error::other("partner hung up").into()),
            Act::Hang => std::future::pending().await,
            Act::Block => {
                while !stage.unblock.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }
        }
        Ok(Outcome::Done(serde_json::json!({ "act": self.act })))
    }
}

/// The same, but patient: for jobs that run while the test drains.
#[derive(Serialize, Deserialize)]
struct Patient;

impl Job for Patient {
    type App = Stage;
    const NAME: &'static str = "patient";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        timeout: Duration::from_secs(600),
        ..Policy::DEFAULT
    };
    async fn run(self, stage: &Stage, _: &JobContext) -> Result<Outcome, JobError> {
        stage.begun.send_modify(|n| *n += 1);
        stage.gate.acquire().await?.forget();
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

struct Bench {
    engine: PostgresEngine,
    pool: PgPool,
    stage: Arc<Stage>,
    catalogue: Arc<Catalogue<Stage>>,
}

async fn bench() -> Bench {
    let options: PgConnectOptions = embedded::testing::database().parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_with(engine_options(options))
        .await
        .unwrap();
    Bench {
        engine: PostgresEngine::new(pool.clone()).sealing(Arc::new(Backwards)),
        pool,
        stage: Arc::default(),
        catalogue: Arc::new(
            Catalogue::default()
                .with::<Play>()
                .with::<Patient>()
                .with::<Told>()
                .opened_by(|_| Some(&Backwards)),
        ),
    }
}

impl Bench {
    async fn enqueue(&self, orders: Vec<Enqueue>) -> Vec<i64> {
        let mut conn = self.pool.acquire().await.unwrap();
        let enqueued = self.engine.enqueue(&mut conn, &orders).await.unwrap();
        enqueued.iter().map(|e| e.id).collect()
    }

    fn start(&self, concurrency: usize, batch: usize, grace: Duration) -> Workers {
        let settings = WorkerSettings {
            queues: vec![QueueSettings {
                queue: QueueName::Index,
                concurrency,
                prefetch: batch,
                batch,
            }],
            grace,
        };
        // Connections belong to the runtime that made them, and the leases' thread has its own.
        let leases = PgPoolOptions::new().connect_lazy_with((*self.pool.connect_options()).clone());
        Workers::start(
            &self.engine,
            PostgresEngine::new(leases),
            &self.catalogue,
            &self.stage,
            "w-1",
            &settings,
        )
        .unwrap()
    }

    fn stepper(&self) -> Stepper<PostgresEngine, Stage> {
        Stepper::new(
            self.engine.clone(),
            self.pool.clone(),
            &self.catalogue,
            &self.stage,
        )
    }

    async fn until_begun(&self, count: usize) {
        let mut begun = self.stage.begun.subscribe();
        within(begun.wait_for(|n| *n >= count)).await.unwrap();
    }

    /// Waits for a state of the database, at its own pace.
    async fn until(&self, condition: &'static str) {
        within(async {
            while !sqlx::query_scalar::<_, bool>(condition)
                .fetch_one(&self.pool)
                .await
                .unwrap()
            {}
        })
        .await;
    }

    async fn record(&self, id: i64) -> queue::JobRecord {
        self.engine.find(id).await.unwrap().unwrap()
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("the state the test waits for did not come")
}

fn play(act: Act) -> Enqueue {
    Enqueue::of(&Play { act }).unwrap()
}

const GRACE: Duration = Duration::from_secs(10);

/// Pitfall 1: the stock loop acknowledges only when its buffer is empty.
#[tokio::test]
async fn a_finished_job_is_acknowledged_while_others_of_its_batch_wait() {
    let bench = bench().await;
    bench
        .enqueue(vec![
            play(Act::Finish),
            Enqueue::of(&Patient).unwrap(),
            Enqueue::of(&Patient).unwrap(),
        ])
        .await;
    let workers = bench.start(1, 10, GRACE);
    bench.until("SELECT count(*) = 1 FROM jobs_history").await;
    bench.stage.gate.add_permits(2);
    bench.until("SELECT count(*) = 3 FROM jobs_history").await;
    workers.drain(&bench.engine).await;
}

/// Pitfalls 2 and 9: a lost backend neither ends the worker nor drops what runs, readiness says
/// so, and it mends itself.
#[tokio::test]
async fn a_lost_backend_is_survived_and_seen() {
    let bench = bench().await;
    bench.enqueue(vec![Enqueue::of(&Patient).unwrap()]).await;
    let workers = bench.start(4, 4, GRACE);
    bench.until_begun(1).await;
    sqlx::raw_sql("ALTER TABLE lanes RENAME TO lanes_away")
        .execute(&bench.pool)
        .await
        .unwrap();
    let health = workers.health();
    within(async {
        while health.problems().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sqlx::raw_sql("ALTER TABLE lanes_away RENAME TO lanes")
        .execute(&bench.pool)
        .await
        .unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .execute(&bench.pool)
        .await
        .unwrap();
    bench.stage.gate.add_permits(1);
    bench.enqueue(vec![play(Act::Finish)]).await;
    bench
        .until("SELECT count(*) = 2 FROM jobs_history WHERE state = 'done'")
        .await;
    within(async {
        while !health.problems().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    workers.drain(&bench.engine).await;
}

/// Pitfall 3: a stop must hand back what was claimed and not begun.
#[tokio::test]
async fn a_drain_hands_back_what_has_not_begun_and_loses_no_attempt() {
    let bench = bench().await;
    let ids = bench
        .enqueue((0..10).map(|_| Enqueue::of(&Patient).unwrap()).collect())
        .await;
    let workers = bench.start(2, 10, GRACE);
    bench.until_begun(2).await;
    bench.stage.gate.add_permits(2);
    let report = within(workers.drain(&bench.engine)).await;
    assert_eq!(
        (
            report.finished + report.handed_back,
            report.cut,
            report.stale
        ),
        (10, 0, 0),
        "{report:?}"
    );
    assert!(report.finished >= 2, "{report:?}");
    let mut done = 0;
    for id in ids {
        let record = bench.record(id).await;
        match record.state {
            JobState::Done => done += 1,
            JobState::Ready => assert_eq!(record.attempt, 0),
            other => panic!("job {id} is {other:?}"),
        }
    }
    assert_eq!(done, report.finished);
}

/// A job that does not end within the grace is cut, and its attempt restored.
#[tokio::test]
async fn a_job_that_outlasts_the_grace_is_cut_and_keeps_its_attempt() {
    let bench = bench().await;
    let id = bench.enqueue(vec![Enqueue::of(&Patient).unwrap()]).await[0];
    let workers = bench.start(2, 2, Duration::from_millis(50));
    bench.until_begun(1).await;
    let report = within(workers.drain(&bench.engine)).await;
    assert_eq!(
        report,
        DrainReport {
            finished: 0,
            handed_back: 1,
            cut: 1,
            stale: 0
        }
    );
    let record = bench.record(id).await;
    assert_eq!((record.state, record.attempt), (JobState::Ready, 0));
}

/// Pitfall 5: an empty fetch parks without a timer; an enqueue must still wake the worker.
#[tokio::test]
async fn a_worker_that_found_nothing_is_woken_by_an_enqueue() {
    let bench = bench().await;
    let workers = bench.start(1, 1, GRACE);
    bench.until("SELECT count(*) = 1 FROM workers").await;
    bench.enqueue(vec![play(Act::Finish)]).await;
    bench.until("SELECT count(*) = 1 FROM jobs_history").await;
    workers.drain(&bench.engine).await;
    bench.until("SELECT count(*) = 0 FROM workers").await;
}

/// Pitfall 6: arguments nobody can read are the job's problem, not the worker's.
#[tokio::test]
async fn undecodable_arguments_kill_the_job_and_not_the_worker() {
    let bench = bench().await;
    let ids = bench
        .enqueue(vec![play(Act::Finish), play(Act::Finish)])
        .await;
    sqlx::query("UPDATE jobs_hot SET args = '{\"act\":\"fly\"}' WHERE id = $1")
        .bind(ids[0])
        .execute(&bench.pool)
        .await
        .unwrap();
    let workers = bench.start(1, 2, GRACE);
    bench.until("SELECT count(*) = 2 FROM jobs_history").await;
    workers.drain(&bench.engine).await;
    let record = bench.record(ids[0]).await;
    assert_eq!(record.state, JobState::Dead);
    assert_eq!(record.error.unwrap()["class"], "undecodable");
    assert_eq!(bench.record(ids[1]).await.state, JobState::Done);
}

/// Pitfall 7: a second attempt of a job may start while the first, its lease lost, still runs.
#[tokio::test]
async fn a_second_attempt_may_run_beside_a_stale_first() {
    let bench = bench().await;
    let id = bench.enqueue(vec![Enqueue::of(&Patient).unwrap()]).await[0];
    let workers = bench.start(4, 4, GRACE);
    bench.until_begun(1).await;
    bench
        .until("SELECT count(*) = 1 FROM jobs_hot WHERE started_at IS NOT NULL")
        .await;
    sqlx::query("UPDATE jobs_claims SET until = now() - interval '1 second'")
        .execute(&bench.pool)
        .await
        .unwrap();
    bench.engine.rescue().await.unwrap();
    bench.until_begun(2).await;
    bench.stage.gate.add_permits(2);
    bench.until("SELECT count(*) = 1 FROM jobs_history").await;
    let report = within(workers.drain(&bench.engine)).await;
    assert_eq!(
        report.stale, 1,
        "the first attempt's acknowledgement is refused"
    );
    assert_eq!(bench.record(id).await.state, JobState::Done);
}

#[tokio::test]
async fn a_panic_costs_an_attempt_and_then_the_job() {
    let bench = bench().await;
    let mut stepper = bench.stepper();
    let step = stepper.perform(&Play { act: Act::Panic }).await.unwrap();
    let Outcome::Retry { after, error } = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert_eq!(after, Duration::from_secs(60));
    assert_eq!(error.message, "the wheel came off");
    sqlx::query("UPDATE jobs_hot SET run_at = now()")
        .execute(&bench.pool)
        .await
        .unwrap();
    let again = stepper.step(QueueName::Index).await.unwrap().unwrap();
    assert!(matches!(again.outcome, Outcome::Dead(_)));
    let record = bench.record(step.id).await;
    assert_eq!((record.state, record.attempt), (JobState::Dead, 2));
}

#[tokio::test]
async fn a_job_that_hangs_times_out() {
    let bench = bench().await;
    let step = bench
        .stepper()
        .perform(&Play { act: Act::Hang })
        .await
        .unwrap();
    let Outcome::Retry { error, .. } = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert_eq!(error.class, queue::FailureClass::Timeout);
}

#[tokio::test]
async fn an_error_keeps_its_words_and_is_tried_again() {
    let bench = bench().await;
    let mut stepper = bench.stepper();
    let step = stepper.perform(&Play { act: Act::Fail }).await.unwrap();
    assert_eq!(step.outcome.word(), "retry");
    let mut conn = bench.pool.acquire().await.unwrap();
    let attempts = queue::Jobs::attempts(&mut conn, step.id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        attempts[0].2.as_ref().unwrap()["message"],
        "partner hung up"
    );
    assert_eq!(stepper.left_behind().await.unwrap().len(), 1);
}

/// A newer kind is left for a newer binary: never failed, no attempt used.
#[tokio::test]
async fn an_unknown_kind_stays_in_the_queue() {
    let bench = bench().await;
    let id = bench.enqueue(vec![play(Act::Finish)]).await[0];
    sqlx::query("UPDATE jobs_hot SET kind = 'from_the_future'")
        .execute(&bench.pool)
        .await
        .unwrap();
    let step = bench
        .stepper()
        .step(QueueName::Index)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(step.outcome.word(), "snooze");
    let record = bench.record(id).await;
    assert_eq!((record.state, record.attempt), (JobState::Scheduled, 0));
}

/// A job that burns every thread of the runtime does not cost its lease.
#[tokio::test]
async fn a_blocked_runtime_still_renews_its_leases() {
    const SEEN: &str = "SELECT seen_at::text FROM workers";
    let bench = bench().await;
    let workers = bench.start(1, 1, GRACE);
    bench.until("SELECT count(*) = 1 FROM workers").await;
    let before: String = sqlx::query_scalar(SEEN)
        .fetch_one(&bench.pool)
        .await
        .unwrap();
    let options = (*bench.pool.connect_options()).clone();
    let watcher = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(within(async {
            let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
            while sqlx::query_scalar::<_, String>(SEEN)
                .fetch_one(&pool)
                .await
                .unwrap()
                == before
            {}
        }));
    });
    // This test's runtime has one thread, and this blocks it until a renewal was seen.
    watcher.join().unwrap();
    workers.drain(&bench.engine).await;
}

/// A cancelled job is dropped at its next await point; its slot is free for the next.
#[tokio::test]
async fn a_running_job_is_cancelled_by_an_operator() {
    let bench = bench().await;
    let id = bench.enqueue(vec![Enqueue::of(&Patient).unwrap()]).await[0];
    let workers = bench.start(1, 1, GRACE);
    bench.until_begun(1).await;
    let answer = bench.engine.cancel(id, "ops").await.unwrap();
    assert_eq!(answer, queue::Cancelled::Asked);
    bench.enqueue(vec![play(Act::Finish)]).await;
    bench.until("SELECT count(*) = 2 FROM jobs_history").await;
    workers.drain(&bench.engine).await;
    let record = bench.record(id).await;
    assert_eq!(record.state, JobState::Cancelled);
    assert_eq!(record.report.unwrap()["cancelled"], "by ops");
}

/// A job in an endless loop cannot be dropped: its end is told for it, its neighbours go on, readiness says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_blocks_its_thread_is_given_up_on() {
    let bench = bench().await;
    let id = bench.enqueue(vec![play(Act::Block)]).await[0];
    let workers = bench.start(2, 2, GRACE);
    bench.until_begun(1).await;
    let neighbour = bench.enqueue(vec![play(Act::Finish)]).await[0];
    bench.until("SELECT count(*) = 1 FROM jobs_history").await;
    assert_eq!(bench.record(neighbour).await.state, JobState::Done);
    bench.until("SELECT count(*) = 1 FROM job_attempts").await;
    let record = bench.record(id).await;
    assert_eq!((record.state, record.attempt), (JobState::Scheduled, 1));
    let (health, words) = (workers.health(), format!("job {id} blocks"));
    within(async {
        while !health
            .problems()
            .iter()
            .any(|problem| problem.contains(&words))
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    bench.stage.unblock.store(true, Ordering::SeqCst);
    let report = within(workers.drain(&bench.engine)).await;
    assert_eq!(report.stale, 1, "what it says afterwards does not count");
    assert_eq!(bench.record(id).await.attempt, 1);
}

/// What a handler logs is kept with its attempt.
#[tokio::test]
async fn what_a_job_logs_is_kept_with_its_attempt() {
    use tracing_subscriber::layer::SubscriberExt;
    let _log =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(queue::AttemptLog));
    let bench = bench().await;
    let step = bench
        .stepper()
        .perform(&Told {
            card: "4111".to_owned(),
        })
        .await
        .unwrap();
    let mut conn = bench.pool.acquire().await.unwrap();
    let logs = queue::Jobs::logs(&mut conn, step.id).await.unwrap();
    assert_eq!(logs[0].lines, ["INFO paid digits=4"]);
}

#[derive(Serialize, Deserialize)]
struct Told {
    card: String,
}

impl Job for Told {
    type App = Stage;
    const NAME: &'static str = "told";
    const SECRETS: &'static [&'static str] = &["card"];
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        ..Policy::DEFAULT
    };
    async fn run(self, _: &Stage, _: &JobContext) -> Result<Outcome, JobError> {
        tracing::info!(digits = self.card.len(), "paid");
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// Backwards is no cipher, but shows who sees what.
struct Backwards;

impl queue::ArgSealer for Backwards {
    fn seal(&self, purpose: &str, plain: &str) -> Result<String, String> {
        Ok(format!(
            "{purpose}/{}",
            plain.chars().rev().collect::<String>()
        ))
    }

    fn open(&self, purpose: &str, sealed: &str) -> Result<String, String> {
        let plain = sealed
            .strip_prefix(&format!("{purpose}/"))
            .ok_or("another purpose")?;
        Ok(plain.chars().rev().collect())
    }
}

#[tokio::test]
async fn secret_arguments_are_sealed_at_rest_and_shown_to_nobody() {
    let bench = bench().await;
    let order = Enqueue::of(&Told {
        card: "4111".to_owned(),
    })
    .unwrap();
    let mut conn = bench.pool.acquire().await.unwrap();
    let id = bench.engine.enqueue(&mut conn, &[order]).await.unwrap()[0].id;
    let stored: String = sqlx::query_scalar("SELECT args::text FROM jobs_hot WHERE id = $1")
        .bind(id)
        .fetch_one(&bench.pool)
        .await
        .unwrap();
    assert!(
        !stored.contains("4111") && stored.contains("$sealed"),
        "{stored}"
    );
    assert_eq!(bench.record(id).await.args["card"], "•••");
    let step = bench
        .stepper()
        .step(QueueName::Index)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(step.outcome.word(), "done", "the handler reads it");
    // Without a key nothing is stored in the clear.
    let keyless = PostgresEngine::new(bench.pool.clone());
    let order = Enqueue::of(&Told {
        card: "4111".to_owned(),
    })
    .unwrap();
    assert!(keyless.enqueue(&mut conn, &[order]).await.is_err());
}
