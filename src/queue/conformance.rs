//! What every engine must keep, written against [`Engine`] alone. An engine's test file makes a
//! fixture and calls [`conformance_suite!`](crate::conformance_suite).

pub mod lanes;
pub mod model;
pub mod operate;

use crate::engine::{Ack, Claim, Claimed, Engine, Verdict};
use crate::{
    Enqueue, ErrorRecord, FailureClass, Job, JobContext, JobError, JobState, Lane, Outcome, Policy,
    Priority, QueueName, Unique,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a test may do to an engine that nobody else may.
pub trait Ledger: Engine {
    /// Does at once what the engine does beside workers in its own time.
    fn settle(&self) -> impl Future<Output = ()> + Send;
    /// Ends every lease at once, as if the workers had been gone for longer than the lease.
    fn expire_leases(&self) -> impl Future<Output = ()> + Send;
    /// A job has been due for this long.
    fn grow_old(&self, id: i64, by: Duration) -> impl Future<Output = ()> + Send;
    /// Jobs claimed and not acknowledged, as the ledger of claims counts them.
    fn open_in_ledger(&self) -> impl Future<Output = i64> + Send;
}

impl Ledger for crate::PostgresEngine {
    async fn grow_old(&self, id: i64, by: Duration) {
        sqlx::query!(
            "UPDATE jobs_hot SET run_at = run_at - $2::float8 * interval '1 second' WHERE id = $1",
            id,
            by.as_secs_f64()
        )
        .execute(self.pool())
        .await
        .expect("grow old");
    }

    async fn settle(&self) {}

    async fn expire_leases(&self) {
        sqlx::query!("UPDATE jobs_claims SET until = now() - interval '1 second'")
            .execute(self.pool())
            .await
            .expect("expire");
    }

    async fn open_in_ledger(&self) -> i64 {
        sqlx::query_scalar!(r#"SELECT coalesce(sum(open), 0)::bigint AS "open!" FROM jobs_claims"#)
            .fetch_one(self.pool())
            .await
            .expect("ledger")
    }
}

impl Ledger for crate::RedisEngine {
    async fn grow_old(&self, id: i64, by: Duration) {
        self.grow_old_now(id, by).await.expect("grow old");
    }

    async fn settle(&self) {
        self.settle_now().await.expect("settle");
    }

    async fn expire_leases(&self) {
        self.expire_leases_now().await.expect("expire");
    }

    async fn open_in_ledger(&self) -> i64 {
        self.open_now().await.expect("ledger")
    }
}

pub struct Fixture<E> {
    pub engine: E,
    pub pool: PgPool,
}

#[macro_export]
macro_rules! conformance_suite {
    ($fixture:path: $module:ident: $($test:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            $crate::conformance::$module::$test(&$fixture().await).await;
        })+
    };
    ($fixture:path: $($test:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            $crate::conformance::$test(&$fixture().await).await;
        })+
    };
}

/// Every test of the contract, on one engine.
#[macro_export]
macro_rules! whole_suite {
    ($fixture:path) => {
        #[tokio::test]
        async fn random_operations_agree_with_the_model() {
            $crate::conformance::model::random_operations_agree_with_the_model(&$fixture().await).await;
        }
        $crate::conformance_suite!($fixture: lanes:
            a_queues_limit_holds_over_every_process,
            a_limit_counts_what_was_rescued_no_more,
            a_backlog_of_one_partner_delays_no_other,
            a_job_that_waits_for_long_comes_before_a_new_urgent_one,
            an_open_breaker_stops_claiming_and_half_open_lets_one,
            a_waiting_job_is_cancelled_at_once,
            a_running_job_is_asked_to_end,
            progress_is_fenced_and_shown,
            lines_of_attempts_are_kept,
            pruning_never_touches_an_unfinished_job,
        );
        $crate::conformance_suite!($fixture: operate:
            explain_agrees_with_claiming,
            explain_knows_the_quarantine,
            a_bulk_retry_brings_back_what_is_dead,
            two_operators_and_workers_at_once,
            a_retry_is_released_at_its_pace,
            waiting_jobs_are_moved_reprioritised_and_cancelled,
            everything_must_be_meant,
            a_cancelled_job_is_not_tried_again,
            a_job_that_is_counted_on_waits_for_the_commit,
        );
        $crate::conformance_suite!($fixture:
            every_job_is_claimed_exactly_once,
            priority_wins_then_due_time,
            a_job_that_is_not_due_is_not_claimed,
            a_finished_job_keeps_its_report,
            a_stale_token_is_refused,
            a_retry_waits_in_the_queue,
            a_snooze_gives_the_attempt_back,
            attempts_count_from_the_start_not_the_claim,
            a_rescued_job_comes_alone,
            poison_is_buried_after_bounded_rescues,
            a_rescue_after_the_last_attempt_buries,
            a_hand_back_restores_the_attempt,
            renewing_keeps_the_lease,
            a_claim_nobody_knows_runs_out,
            hostile_text_in_a_report_is_stored,
            enqueueing_is_transactional,
            a_taken_key_answers_the_job_that_has_it,
            a_hundred_enqueues_of_one_key_make_one_job,
            a_key_is_free_again_after_the_end,
            while_queued_ends_at_the_claim,
            a_crowd_on_a_queued_key_is_never_turned_away,
            within_outlives_the_job,
            a_paused_queue_is_not_claimed_and_says_so,
            twenty_thousand_due_at_once_all_run,
            a_late_commit_is_not_skipped,
        );
    };
}

/// A job for tests: its key and partner are data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Probe {
    pub n: u32,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub partner: Option<String>,
}

impl Job for Probe {
    type App = ();
    const NAME: &'static str = "probe";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        max_attempts: 3,
        ..Policy::DEFAULT
    };
    fn key(&self) -> Option<String> {
        self.key.clone()
    }
    fn partner(&self) -> Option<String> {
        self.partner.clone()
    }
    async fn run(self, (): &(), _: &JobContext) -> Result<Outcome, JobError> {
        Ok(Outcome::Done(serde_json::json!({ "n": self.n })))
    }
}

/// The same work, unique only while it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueuedOnce;

impl Job for QueuedOnce {
    type App = ();
    const NAME: &'static str = "queued_once";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        unique: Unique::WhileQueued,
        ..Policy::DEFAULT
    };
    fn key(&self) -> Option<String> {
        Some("one".to_owned())
    }
    async fn run(self, (): &(), _: &JobContext) -> Result<Outcome, JobError> {
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

/// The same work, unique for an hour.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OncePerHour;

impl Job for OncePerHour {
    type App = ();
    const NAME: &'static str = "once_per_hour";
    const POLICY: Policy = Policy {
        queue: QueueName::Index,
        unique: Unique::Within(Duration::from_secs(3600)),
        ..Policy::DEFAULT
    };
    fn key(&self) -> Option<String> {
        Some("hour".to_owned())
    }
    async fn run(self, (): &(), _: &JobContext) -> Result<Outcome, JobError> {
        Ok(Outcome::Done(serde_json::Value::Null))
    }
}

fn probe(n: u32) -> Enqueue {
    Enqueue::of(&Probe {
        n,
        ..Probe::default()
    })
    .expect("a probe is JSON")
}

fn keyed(key: &str) -> Enqueue {
    Enqueue::of(&Probe {
        key: Some(key.to_owned()),
        ..Probe::default()
    })
    .expect("a probe is JSON")
}

impl<E: Ledger> Fixture<E> {
    async fn enqueue(&self, orders: &[Enqueue]) -> Vec<i64> {
        let mut conn = self.pool.acquire().await.expect("a connection");
        self.engine
            .enqueue(&mut conn, orders)
            .await
            .expect("enqueue")
            .iter()
            .map(|e| e.id)
            .collect()
    }

    async fn claim(&self, worker: &str, max: usize) -> Vec<Claimed> {
        self.engine.settle().await;
        let claim = Claim {
            worker,
            queue: QueueName::Index,
            max,
            woken: true,
            rescued: true,
        };
        self.engine.claim(claim).await.expect("claim")
    }

    async fn ack(&self, job: &Claimed, outcome: Outcome) -> Verdict {
        self.engine
            .ack("w", &[ack_of(job, outcome)])
            .await
            .expect("ack")[0]
    }

    async fn state(&self, id: i64) -> JobState {
        self.engine
            .find(id)
            .await
            .expect("find")
            .expect("an accepted job is never lost")
            .state
    }

    async fn expire_leases(&self) {
        self.engine.expire_leases().await;
    }
}

fn done() -> Outcome {
    Outcome::Done(serde_json::json!({ "ok": true }))
}

fn failed(message: &str) -> ErrorRecord {
    ErrorRecord::new(FailureClass::Error, message)
}

/// A thousand jobs, claimed by four workers at once: each exactly once.
pub async fn every_job_is_claimed_exactly_once<E: Ledger>(f: &Fixture<E>) {
    let orders: Vec<Enqueue> = (0..1000).map(probe).collect();
    let ids: HashSet<i64> = f.enqueue(&orders).await.into_iter().collect();
    assert_eq!(ids.len(), 1000);
    let drain = |worker: &'static str| async move {
        let mut seen = Vec::new();
        loop {
            let batch = f.claim(worker, 70).await;
            if batch.is_empty() {
                return seen;
            }
            seen.extend(batch.iter().map(|job| job.id));
        }
    };
    let (a, b, c, d) = tokio::join!(drain("a"), drain("b"), drain("c"), drain("d"));
    let all: Vec<i64> = [a, b, c, d].concat();
    assert_eq!(all.len(), 1000);
    assert_eq!(all.into_iter().collect::<HashSet<i64>>(), ids);
}

pub async fn priority_wins_then_due_time<E: Ledger>(f: &Fixture<E>) {
    let ids = f
        .enqueue(&[
            probe(1).priority(Priority::Low),
            probe(2),
            probe(3).priority(Priority::High),
            probe(4),
        ])
        .await;
    let claimed: Vec<i64> = f.claim("w", 10).await.iter().map(|j| j.id).collect();
    assert_eq!(claimed, [ids[2], ids[1], ids[3], ids[0]]);
}

pub async fn a_job_that_is_not_due_is_not_claimed<E: Ledger>(f: &Fixture<E>) {
    let ids = f
        .enqueue(&[probe(1).after(Duration::from_secs(3600))])
        .await;
    assert!(f.claim("w", 10).await.is_empty());
    assert_eq!(f.state(ids[0]).await, JobState::Scheduled);
}

pub async fn a_finished_job_keeps_its_report<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    let job = f.claim("w", 1).await.remove(0);
    assert_eq!(f.state(id).await, JobState::Running);
    assert_eq!(f.ack(&job, done()).await, Verdict::Accepted);
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!(record.state, JobState::Done);
    assert_eq!(record.attempt, 1);
    assert_eq!(record.report, Some(serde_json::json!({ "ok": true })));
    assert_eq!(f.engine.open_in_ledger().await, 0);
}

pub async fn a_stale_token_is_refused<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    let first = f.claim("zombie", 1).await.remove(0);
    f.expire_leases().await;
    assert_eq!(f.engine.rescue().await.expect("rescue").returned, 1);
    let second = f.claim("w", 1).await.remove(0);
    assert_eq!(second.id, id);
    assert_ne!(second.token, first.token);
    assert_eq!(f.ack(&first, done()).await, Verdict::Stale);
    assert_eq!(f.state(id).await, JobState::Running);
    assert_eq!(f.ack(&second, done()).await, Verdict::Accepted);
    assert_eq!(f.ack(&second, done()).await, Verdict::Stale);
}

/// Backoff is written to the job, not waited for in a worker; the attempt is used.
pub async fn a_retry_waits_in_the_queue<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    let job = f.claim("w", 1).await.remove(0);
    let outcome = Outcome::Retry {
        after: Duration::from_secs(300),
        error: failed("partner hung up"),
    };
    f.ack(&job, outcome).await;
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!((record.state, record.attempt), (JobState::Scheduled, 1));
    let wait = record.run_at.duration_since(record.created_at).as_secs();
    assert!((290..=310).contains(&wait), "waits {wait} s");
    assert!(f.claim("w", 1).await.is_empty());
}

pub async fn a_snooze_gives_the_attempt_back<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    for _ in 0..5 {
        let job = f.claim("w", 1).await.remove(0);
        f.engine
            .started(&[(job.id, job.token)])
            .await
            .expect("started");
        let outcome = Outcome::Snooze {
            after: Duration::ZERO,
            reason: "partner is closed".to_owned(),
        };
        assert_eq!(f.ack(&job, outcome).await, Verdict::Accepted);
    }
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!((record.attempt, record.snoozes), (0, 5));
}

/// A claim is no attempt: prefetched neighbours of a crash lose nothing.
pub async fn attempts_count_from_the_start_not_the_claim<E: Ledger>(f: &Fixture<E>) {
    let ids = f.enqueue(&[probe(1), probe(2)]).await;
    let jobs = f.claim("crashes", 2).await;
    f.engine
        .started(&[(jobs[0].id, jobs[0].token)])
        .await
        .expect("started");
    f.expire_leases().await;
    assert_eq!(f.engine.rescue().await.expect("rescue").returned, 2);
    let begun = f.engine.find(ids[0]).await.expect("find").expect("kept");
    let waiting = f.engine.find(ids[1]).await.expect("find").expect("kept");
    assert_eq!((begun.attempt, begun.rescues), (1, 0));
    assert_eq!((waiting.attempt, waiting.rescues), (0, 0));
}

/// Each rescued job is claimed alone, so that poison cannot take neighbours along.
pub async fn a_rescued_job_comes_alone<E: Ledger>(f: &Fixture<E>) {
    f.enqueue(&[probe(1), probe(2), probe(3)]).await;
    assert_eq!(f.claim("crashes", 2).await.len(), 2);
    f.expire_leases().await;
    f.engine.rescue().await.expect("rescue");
    let sizes = [
        f.claim("w", 10).await.len(),
        f.claim("w", 10).await.len(),
        f.claim("w", 10).await.len(),
    ];
    assert_eq!(sizes, [1, 1, 1]);
}

pub async fn poison_is_buried_after_bounded_rescues<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    let mut lives = 0;
    while f.state(id).await != JobState::Dead {
        assert_eq!(f.claim("crashes", 1).await.len(), 1);
        f.expire_leases().await;
        f.engine.rescue().await.expect("rescue");
        lives += 1;
        assert!(lives < 20, "a poison job loops for ever");
    }
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!(lives, 4);
    assert_eq!(record.error.expect("a reason")["class"], "rescue");
}

/// Begun three times, lost three times: its attempts are used before its rescues are.
pub async fn a_rescue_after_the_last_attempt_buries<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    for life in 1..=3 {
        let job = f.claim("crashes", 1).await.remove(0);
        assert_eq!(usize::from(job.attempts_used), life - 1);
        f.engine
            .started(&[(job.id, job.token)])
            .await
            .expect("started");
        f.expire_leases().await;
        f.engine.rescue().await.expect("rescue");
    }
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!((record.state, record.attempt), (JobState::Dead, 3));
    let error = record.error.expect("a reason");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|m| m.contains("attempts are used")),
        "{error}"
    );
}

pub async fn a_hand_back_restores_the_attempt<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    let job = f.claim("w", 1).await.remove(0);
    f.engine
        .started(&[(job.id, job.token)])
        .await
        .expect("started");
    f.ack(&job, Outcome::HandBack).await;
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!((record.state, record.attempt), (JobState::Ready, 0));
    assert_eq!(f.claim("w", 1).await.len(), 1);
}

pub async fn renewing_keeps_the_lease<E: Ledger>(f: &Fixture<E>) {
    f.enqueue(&[probe(1)]).await;
    let job = f.claim("w", 1).await.remove(0);
    f.expire_leases().await;
    assert_eq!(
        f.engine
            .renew("w", &[QueueName::Index], &[job.token])
            .await
            .expect("renew"),
        1
    );
    assert_eq!(f.engine.rescue().await.expect("rescue").returned, 0);
    assert_eq!(f.ack(&job, done()).await, Verdict::Accepted);
    assert_eq!(
        f.engine
            .renew("w", &[QueueName::Index], &[job.token])
            .await
            .expect("renew"),
        0
    );
}

/// The claim committed and its answer was lost: nobody knows the token, so nobody renews it.
pub async fn a_claim_nobody_knows_runs_out<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    f.claim("w", 1).await;
    f.expire_leases().await;
    f.engine
        .renew("w", &[QueueName::Index], &[])
        .await
        .expect("renew");
    assert_eq!(f.engine.rescue().await.expect("rescue").returned, 1);
    assert_eq!(f.claim("w", 1).await[0].id, id);
}

fn ack_of(job: &Claimed, outcome: Outcome) -> Ack {
    Ack {
        id: job.id,
        token: job.token,
        outcome,
        ran: Duration::from_millis(5),
        received: Instant::now(),
        attempt: 1,
        lines: Vec::new(),
    }
}

/// NUL, in text and already escaped, must not make a batch of acknowledgements unstorable.
pub async fn hostile_text_in_a_report_is_stored<E: Ledger>(f: &Fixture<E>) {
    f.enqueue(&[probe(1), probe(2), probe(3)]).await;
    let jobs = f.claim("w", 3).await;
    let outcomes = [
        Outcome::Done(serde_json::json!({ "a\0": ["\0x", "\\u0000"] })),
        Outcome::Dead(failed("there is no feed \"\\u0000\" or \0")),
        Outcome::Cancelled {
            reason: "\0".to_owned(),
        },
    ];
    for (job, outcome) in jobs.iter().zip(outcomes) {
        assert_eq!(f.ack(job, outcome).await, Verdict::Accepted);
    }
    let dead = f
        .engine
        .find(jobs[1].id)
        .await
        .expect("find")
        .expect("kept");
    assert_eq!(
        dead.error.expect("a reason")["message"],
        "there is no feed \"\\u0000\" or "
    );
}

/// Nested deeper than the server reads (the fixture's is told to read less than 1,000 deep): its report is left out, its neighbours are not held up.
pub async fn a_report_the_server_refuses_holds_nobody_up<E: Ledger>(f: &Fixture<E>) {
    f.enqueue(&[probe(1), probe(2), probe(3)]).await;
    let jobs = f.claim("w", 3).await;
    let mut deep = serde_json::json!(1);
    for _ in 0..1_000 {
        deep = serde_json::Value::Array(vec![deep]);
    }
    let outcomes = [
        Outcome::Done(serde_json::json!({ "rows": 1 })),
        Outcome::Done(deep),
        Outcome::Dead(failed("no such feed")),
    ];
    let acks: Vec<Ack> = jobs
        .iter()
        .zip(outcomes)
        .map(|(job, outcome)| ack_of(job, outcome))
        .collect();
    let verdicts = f.engine.ack("w", &acks).await.expect("acknowledge");
    assert_eq!(verdicts, [Verdict::Accepted; 3]);
    let kept = f
        .engine
        .find(jobs[0].id)
        .await
        .expect("find")
        .expect("kept");
    assert_eq!(kept.report.expect("a report")["rows"], 1);
    let lost = f
        .engine
        .find(jobs[1].id)
        .await
        .expect("find")
        .expect("kept");
    assert_eq!(lost.state, JobState::Done);
    let why = lost.report.expect("a report")["lost"].to_string();
    assert!(why.contains("could not be kept"), "{why}");
}

pub async fn enqueueing_is_transactional<E: Ledger>(f: &Fixture<E>) {
    let mut tx = f.pool.begin().await.expect("begin");
    let rolled_back = f
        .engine
        .enqueue(&mut tx, &[probe(1)])
        .await
        .expect("enqueue")[0]
        .id;
    tx.rollback().await.expect("rollback");
    assert!(f.engine.find(rolled_back).await.expect("find").is_none());
    let mut tx = f.pool.begin().await.expect("begin");
    let kept = f
        .engine
        .enqueue(&mut tx, &[probe(2)])
        .await
        .expect("enqueue")[0]
        .id;
    assert!(
        f.claim("w", 10).await.is_empty(),
        "visible before its commit"
    );
    tx.commit().await.expect("commit");
    assert_eq!(f.claim("w", 10).await[0].id, kept);
}

pub async fn a_taken_key_answers_the_job_that_has_it<E: Ledger>(f: &Fixture<E>) {
    let ids = f
        .enqueue(&[keyed("x"), probe(1), keyed("x"), keyed("y")])
        .await;
    assert_eq!(ids[0], ids[2]);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3);
    let again = f.enqueue(&[keyed("x"), probe(2), keyed("z")]).await;
    assert_eq!(again[0], ids[0]);
    assert_eq!(
        f.claim("w", 100).await.len(),
        5,
        "neighbours of a duplicate are inserted"
    );
}

pub async fn a_hundred_enqueues_of_one_key_make_one_job<E: Ledger>(f: &Fixture<E>) {
    let tries =
        (0..100).map(|_| f.enqueue(std::slice::from_ref(Box::leak(Box::new(keyed("race"))))));
    let ids: HashSet<i64> = futures::future::join_all(tries)
        .await
        .into_iter()
        .map(|ids| ids[0])
        .collect();
    assert_eq!(ids.len(), 1);
}

pub async fn a_key_is_free_again_after_the_end<E: Ledger>(f: &Fixture<E>) {
    let first = f.enqueue(&[keyed("x")]).await[0];
    let job = f.claim("w", 1).await.remove(0);
    assert_eq!(f.enqueue(&[keyed("x")]).await[0], first, "still running");
    f.ack(&job, done()).await;
    assert_ne!(f.enqueue(&[keyed("x")]).await[0], first);
}

pub async fn while_queued_ends_at_the_claim<E: Ledger>(f: &Fixture<E>) {
    let order = [Enqueue::of(&QueuedOnce).expect("json")];
    let first = f.enqueue(&order).await[0];
    assert_eq!(f.enqueue(&order).await[0], first);
    let job = f.claim("w", 1).await.remove(0);
    let second = f.enqueue(&order).await[0];
    assert_ne!(second, first, "a change during the run starts another");
    f.ack(&job, done()).await;
    assert_eq!(f.claim("w", 10).await.len(), 1);
}

/// Many want one key at once, each in a transaction of its own, while whoever gets it is claimed as soon as can be.
pub async fn a_crowd_on_a_queued_key_is_never_turned_away<E: Ledger>(f: &Fixture<E>) {
    let order = [Enqueue::of(&QueuedOnce).expect("json")];
    let over = AtomicBool::new(false);
    let crowd = futures::future::join_all((0..6).map(|_| async {
        for _ in 0..120 {
            let mut tx = f.pool.begin().await.expect("begin");
            f.engine.enqueue(&mut tx, &order).await.expect("enqueue");
            tx.commit().await.expect("commit");
        }
    }));
    let enqueuing = async {
        crowd.await;
        over.store(true, Ordering::Relaxed);
    };
    let claiming = async {
        let mut ran = 0;
        loop {
            let last = over.load(Ordering::Relaxed);
            let jobs = f.claim("w", 10).await;
            if last && jobs.is_empty() {
                return ran;
            }
            for job in jobs {
                f.ack(&job, done()).await;
                ran += 1;
            }
        }
    };
    let (ran, ()) = futures::future::join(claiming, enqueuing).await;
    assert!(ran > 1, "it was claimed while others wanted it");
}

pub async fn within_outlives_the_job<E: Ledger>(f: &Fixture<E>) {
    let order = [Enqueue::of(&OncePerHour).expect("json")];
    let first = f.enqueue(&order).await[0];
    let job = f.claim("w", 1).await.remove(0);
    f.ack(&job, done()).await;
    assert_eq!(f.enqueue(&order).await[0], first);
    assert!(f.claim("w", 10).await.is_empty());
    sqlx::query!("UPDATE job_keys SET until = now() - interval '1 second'")
        .execute(&f.pool)
        .await
        .expect("let the window pass");
    assert_ne!(f.enqueue(&order).await[0], first);
}

pub async fn a_paused_queue_is_not_claimed_and_says_so<E: Ledger>(f: &Fixture<E>) {
    let partnered = Enqueue::of(&Probe {
        partner: Some("vpic".to_owned()),
        ..Probe::default()
    })
    .expect("json");
    f.enqueue(&[probe(1)]).await;
    let mut conn = f.pool.acquire().await.expect("a connection");
    Lane::set_paused(&mut conn, QueueName::Index, Some("ops"))
        .await
        .expect("pause");
    f.enqueue(&[partnered]).await;
    assert!(f.claim("w", 10).await.is_empty());
    let lanes = Lane::list(&mut conn, Some(QueueName::Index))
        .await
        .expect("lanes");
    assert_eq!(lanes.len(), 2);
    for lane in &lanes {
        let crate::Gate::Blocked { reason, .. } = crate::gate(lane, lane.as_of) else {
            panic!("{lane:?} is open");
        };
        assert!(reason.contains("ops"));
    }
    Lane::set_paused(&mut conn, QueueName::Index, None)
        .await
        .expect("resume");
    assert_eq!(f.claim("w", 10).await.len(), 2);
}

/// Twenty thousand due at once: what ends the stock Redis storage's worker.
pub async fn twenty_thousand_due_at_once_all_run<E: Ledger>(f: &Fixture<E>) {
    let orders: Vec<Enqueue> = (0..20_000).map(probe).collect();
    assert_eq!(f.enqueue(&orders).await.len(), 20_000);
    let mut finished = 0;
    loop {
        let jobs = f.claim("w", 1_000).await;
        if jobs.is_empty() {
            break;
        }
        let acks: Vec<Ack> = jobs.iter().map(|job| ack_of(job, done())).collect();
        let verdicts = f.engine.ack("w", &acks).await.expect("ack");
        finished += verdicts.iter().filter(|v| **v == Verdict::Accepted).count();
    }
    assert_eq!(finished, 20_000);
    assert_eq!(f.engine.open_in_ledger().await, 0);
}

/// A job committed late, with an earlier due time than those already claimed, is still found.
pub async fn a_late_commit_is_not_skipped<E: Ledger>(f: &Fixture<E>) {
    let mut late = f.pool.begin().await.expect("begin");
    let late_id = f
        .engine
        .enqueue(&mut late, &[probe(1)])
        .await
        .expect("enqueue")[0]
        .id;
    f.enqueue(&[probe(2)]).await;
    assert_eq!(f.claim("w", 10).await.len(), 1);
    late.commit().await.expect("commit");
    let found = loop {
        let jobs = f.claim("w", 10).await;
        if let Some(job) = jobs.first() {
            break job.id;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(found, late_id);
}
