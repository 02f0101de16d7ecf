//! What operators do and ask: explanations that agree with claiming, and actions on a filter, on any engine.

use super::{Fixture, Ledger, Probe, done, failed, keyed, probe};
use crate::{
    AnyEngine, BulkAction, BulkError, Bulks, Cause, Enqueue, Explanation, JobFilter, JobState,
    Lane, Outcome, Partner, Priority, QueueName, explain,
};
use std::time::Duration;

const ATTEMPTS: u16 = 3;

fn kinds(_: &str, args: &serde_json::Value) -> (u16, Option<String>) {
    let key = args["key"].as_str().map(|key| format!("unfinished:{key}"));
    (ATTEMPTS, key)
}

fn calling(partner: &str) -> Enqueue {
    Enqueue::of(&Probe {
        partner: Some(partner.to_owned()),
        ..Probe::default()
    })
    .expect("a probe is JSON")
}

impl<E: Ledger + Into<AnyEngine>> Fixture<E> {
    async fn why(&self, id: i64) -> Explanation {
        self.engine.settle().await;
        let engine: AnyEngine = self.engine.clone().into();
        explain(&engine, id).await.expect("explain").expect("a job")
    }

    async fn sign_in(&self) {
        let queues = [QueueName::Index];
        self.engine.renew("w", &queues, &[]).await.expect("renew");
    }

    async fn all_dead(&self, orders: &[Enqueue]) -> Vec<i64> {
        let ids = self.enqueue(orders).await;
        loop {
            let jobs = self.claim("w", 1_000).await;
            if jobs.is_empty() {
                return ids;
            }
            for job in &jobs {
                self.ack(job, Outcome::Dead(failed("the drop is gone")))
                    .await;
            }
        }
    }

    async fn accept(&self, action: BulkAction, filter: &JobFilter) -> i64 {
        let mut conn = self.pool.acquire().await.expect("a connection");
        let bulk = Bulks::accept(&mut conn, &action, filter, false, "ops").await;
        bulk.expect("accepted").id
    }

    async fn act(&self, id: i64) -> (i64, i64) {
        let engine: AnyEngine = self.engine.clone().into();
        while Bulks::step(&engine, id, &kinds).await.expect("a step") {}
        let mut conn = self.pool.acquire().await.expect("a connection");
        let bulk = Bulks::find(&mut conn, id).await.expect("find").expect("it");
        assert!(bulk.ended_at.is_some());
        (bulk.done, bulk.skipped)
    }
}

fn of_probes() -> JobFilter {
    JobFilter {
        kind: Some("probe".to_owned()),
        ..JobFilter::default()
    }
}

/// For each thing that can hold a job up: what explain says is what claiming does.
pub async fn explain_agrees_with_claiming<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let id = f.enqueue(&[calling("vpic")]).await[0];
    let why = f.why(id).await;
    assert_eq!((why.cause, why.state), (Cause::NoWorker, JobState::Ready));
    assert!(why.mend.expect("a command").contains("forecourt work"));
    f.sign_in().await;
    assert_eq!(f.why(id).await.cause, Cause::InLine);

    let mut conn = f.pool.acquire().await.expect("a connection");
    let queue = QueueName::Index;
    Lane::set_paused(&mut conn, queue, Some("ops"))
        .await
        .expect("pause");
    let why = f.why(id).await;
    assert_eq!((why.cause, why.eta), (Cause::Paused, None));
    assert!(why.reason.contains("paused by ops"), "{}", why.reason);
    assert!(f.claim("w", 10).await.is_empty());
    Lane::set_paused(&mut conn, queue, None)
        .await
        .expect("resume");

    Partner::limit(&mut conn, "vpic", None, None)
        .await
        .expect("none");
    Partner::isolate(&mut conn, "vpic", "ops", "it is being moved")
        .await
        .expect("isolate");
    assert_eq!(f.why(id).await.cause, Cause::Isolated);
    assert!(f.claim("w", 10).await.is_empty());
    sqlx::query("UPDATE partners SET state = 'open', until = now() + interval '1 hour'")
        .execute(&mut *conn)
        .await
        .expect("open");
    let why = f.why(id).await;
    assert_eq!(why.cause, Cause::Breaker);
    assert!(why.eta.is_some() && f.claim("w", 10).await.is_empty());
    Partner::probe_now(&mut conn, "vpic", "ops")
        .await
        .expect("probe");
    assert_eq!(
        f.why(id).await.cause,
        Cause::InLine,
        "half open lets one through"
    );
    Partner::close(&mut conn, "vpic", "ops", true)
        .await
        .expect("close");
    sqlx::query("UPDATE partners SET closed_at = NULL")
        .execute(&mut *conn)
        .await
        .expect("long ago");

    Lane::limit_queue(&mut conn, queue, Some(1))
        .await
        .expect("limit");
    let first = f.claim("w", 10).await.remove(0);
    assert_eq!(first.id, id);
    let second = f.enqueue(&[probe(2)]).await[0];
    let why = f.why(second).await;
    assert_eq!(why.cause, Cause::Concurrency);
    assert!(why.reason.contains("1 of 1"), "{}", why.reason);
    assert!(f.claim("w", 10).await.is_empty());
    f.engine
        .started(&[(first.id, first.token)])
        .await
        .expect("started");
    assert_eq!(f.why(id).await.cause, Cause::Running);
    sqlx::query("UPDATE workers SET seen_at = now() - interval '1 minute'")
        .execute(&mut *conn)
        .await
        .expect("silent");
    assert_eq!(f.why(id).await.cause, Cause::WorkerSilent);
    f.sign_in().await;
    Lane::limit_queue(&mut conn, queue, None)
        .await
        .expect("no limit");

    let snooze = Outcome::Snooze {
        after: Duration::from_secs(60),
        reason: "partner vpic takes 2 calls a second, and they are spent".to_owned(),
    };
    f.ack(&first, snooze).await;
    let why = f.why(id).await;
    assert_eq!(
        (why.cause, why.state),
        (Cause::Scheduled, JobState::Scheduled)
    );
    assert!(
        why.eta.is_some() && why.reason.contains("2 calls a second"),
        "{}",
        why.reason
    );
    Lane::set_paused(&mut conn, queue, Some("ops"))
        .await
        .expect("pause");
    let why = f.why(id).await;
    assert!(
        why.then.iter().any(|then| then.contains("paused by ops")),
        "{why:?}"
    );
    Lane::set_paused(&mut conn, queue, None)
        .await
        .expect("resume");

    let job = f.claim("w", 10).await.remove(0);
    assert_eq!(job.id, second);
    f.ack(&job, done()).await;
    assert_eq!(f.why(second).await.cause, Cause::Ended);
}

/// A rescued job says that it runs alone.
pub async fn explain_knows_the_quarantine<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let id = f.enqueue(&[probe(1)]).await[0];
    f.claim("crashes", 1).await;
    f.expire_leases().await;
    f.engine.rescue().await.expect("rescue");
    f.sign_in().await;
    let why = f.why(id).await;
    assert_eq!(
        (why.cause, why.state),
        (Cause::Quarantined, JobState::Ready)
    );
    assert_eq!(f.claim("w", 10).await.len(), 1);
}

/// Dead jobs come back with their history and a fresh allowance; what is alive is left alone.
pub async fn a_bulk_retry_brings_back_what_is_dead<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let dead = f.all_dead(&[probe(1), probe(2), keyed("one")]).await;
    let alive = f.enqueue(&[probe(3), keyed("one")]).await;
    let mut conn = f.pool.acquire().await.expect("a connection");
    let action = BulkAction::Retry { per_second: None };
    let preview = Bulks::preview(&mut conn, &action, &of_probes())
        .await
        .expect("preview");
    assert_eq!((preview.jobs, preview.sample.len()), (3, 3));
    assert_eq!(preview.by_partner[""], 3);
    let bulk = f.accept(action, &of_probes()).await;
    assert_eq!(f.act(bulk).await, (2, 1));
    let results = Bulks::results(&mut conn, bulk, None, 10)
        .await
        .expect("results");
    assert!(
        results.contains(&(dead[0], "retried".to_owned())),
        "{results:?}"
    );
    assert!(
        results[0].0 == dead[2] && results[0].1.contains("waiting already"),
        "{results:?}"
    );
    assert_eq!(f.state(alive[0]).await, JobState::Ready);
    let record = f.engine.find(dead[0]).await.expect("find").expect("kept");
    assert_eq!(
        (record.attempt, record.max_attempts),
        (1, 4),
        "a fresh allowance"
    );
    assert_eq!(record.why.as_deref(), Some("retried by ops"));
    let attempts = crate::Jobs::attempts(&mut conn, dead[0])
        .await
        .expect("attempts");
    assert_eq!(attempts[0].1, "dead");
    assert_eq!(f.claim("w", 10).await.len(), 4);
}

/// Two operators retry the same jobs while workers take them: each comes back once.
pub async fn two_operators_and_workers_at_once<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let orders: Vec<Enqueue> = (0..1_500).map(probe).collect();
    f.all_dead(&orders).await;
    let action = BulkAction::Retry { per_second: None };
    let (a, b) = (
        f.accept(action.clone(), &of_probes()).await,
        f.accept(action, &of_probes()).await,
    );
    let work = async {
        let mut ran = 0;
        while ran < 1_500 {
            for job in f.claim("w", 200).await {
                f.ack(&job, done()).await;
                ran += 1;
            }
            tokio::task::yield_now().await;
        }
        ran
    };
    let ((done_a, _), (done_b, _), ran) = tokio::join!(f.act(a), f.act(b), work);
    assert_eq!((done_a + done_b, ran), (1_500, 1_500));
    assert!(f.claim("w", 10).await.is_empty());
    let mut conn = f.pool.acquire().await.expect("a connection");
    for bulk in [a, b] {
        let results = Bulks::results(&mut conn, bulk, None, 5_000)
            .await
            .expect("results");
        assert!(
            results
                .iter()
                .all(|(_, word)| word == "retried" || word.starts_with("skipped"))
        );
    }
}

/// So many a second: the rest wait for their time.
pub async fn a_retry_is_released_at_its_pace<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let orders: Vec<Enqueue> = (0..100).map(probe).collect();
    f.all_dead(&orders).await;
    let action = BulkAction::Retry {
        per_second: Some(0.5),
    };
    let bulk = f.accept(action, &of_probes()).await;
    assert_eq!(f.act(bulk).await, (100, 0));
    let now = f.claim("w", 100).await.len();
    assert!((1..5).contains(&now), "{now} at once");
}

pub async fn waiting_jobs_are_moved_reprioritised_and_cancelled<E: Ledger + Into<AnyEngine>>(
    f: &Fixture<E>,
) {
    let ids = f.enqueue(&[probe(1), probe(2), probe(3)]).await;
    f.engine.settle().await;
    let just = |id: i64| JobFilter {
        ids: Some(vec![id]),
        ..JobFilter::default()
    };
    let high = BulkAction::Reprioritise {
        priority: Priority::High,
    };
    let bulk = f.accept(high, &just(ids[2])).await;
    assert_eq!(f.act(bulk).await, (1, 0));
    let later = BulkAction::Move {
        in_seconds: 3600.0,
        per_second: None,
    };
    let bulk = f.accept(later, &just(ids[0])).await;
    assert_eq!(f.act(bulk).await, (1, 0));
    let claimed: Vec<i64> = f.claim("w", 10).await.iter().map(|job| job.id).collect();
    assert_eq!(claimed, [ids[2], ids[1]]);
    let now = BulkAction::Move {
        in_seconds: 0.0,
        per_second: None,
    };
    let bulk = f.accept(now, &just(ids[0])).await;
    assert_eq!(f.act(bulk).await, (1, 0));
    let job = f.claim("w", 10).await.remove(0);
    assert_eq!(
        (job.id, job.envelope.args.contains("\"n\"")),
        (ids[0], true)
    );
    // It runs: another time means nothing to it, and it is asked to stop.
    let retry = Outcome::Retry {
        after: Duration::from_secs(60),
        error: failed("again"),
    };
    f.ack(&job, retry).await;
    let bulk = f.accept(BulkAction::Cancel, &just(ids[0])).await;
    assert_eq!(f.act(bulk).await, (1, 0));
    assert_eq!(f.state(ids[0]).await, JobState::Cancelled);
    let bulk = f.accept(BulkAction::Delete, &just(ids[0])).await;
    assert_eq!(f.act(bulk).await, (1, 0));
    assert!(f.engine.find(ids[0]).await.expect("find").is_none());
}

/// A filter without any part is a mistake more often than not.
pub async fn everything_must_be_meant<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let mut conn = f.pool.acquire().await.expect("a connection");
    let all = JobFilter::default();
    let refused = Bulks::accept(&mut conn, &BulkAction::Cancel, &all, false, "ops").await;
    assert!(matches!(refused, Err(BulkError::Everything)));
    let done = JobFilter {
        state: Some(JobState::Done),
        ..JobFilter::default()
    };
    let refused = Bulks::accept(&mut conn, &BulkAction::Cancel, &done, false, "ops").await;
    assert!(matches!(refused, Err(BulkError::State { .. })));
    assert!(
        Bulks::accept(&mut conn, &BulkAction::Cancel, &all, true, "ops")
            .await
            .is_ok()
    );
}

/// An operator's word stands, however the attempt under way ends.
pub async fn a_cancelled_job_is_not_tried_again<E: Ledger + Into<AnyEngine>>(f: &Fixture<E>) {
    let ids = f.enqueue(&[probe(1), probe(2), probe(3)]).await;
    let jobs = f.claim("w", 3).await;
    for id in &ids {
        f.engine.cancel(*id, "ops").await.expect("cancel");
    }
    let retry = Outcome::Retry {
        after: Duration::ZERO,
        error: failed("the line is busy"),
    };
    f.ack(&jobs[0], retry).await;
    f.ack(&jobs[1], Outcome::HandBack).await;
    f.expire_leases().await;
    f.engine.rescue().await.expect("rescue");
    for id in ids {
        assert_eq!(f.state(id).await, JobState::Cancelled, "job {id}");
        let record = f.engine.find(id).await.expect("find").expect("kept");
        assert_eq!(record.report.expect("by whom")["cancelled"], "by ops");
    }
    assert!(f.claim("w", 10).await.is_empty());
    assert_eq!(f.engine.open_in_ledger().await, 0);
}

/// Whoever finds its work queued already counts on that job to see what it is about to commit.
pub async fn a_job_that_is_counted_on_waits_for_the_commit<E: Ledger + Into<AnyEngine>>(
    f: &Fixture<E>,
) {
    let order = Enqueue::of(&super::QueuedOnce).expect("json");
    let id = f.enqueue(std::slice::from_ref(&order)).await[0];
    f.engine.settle().await;
    let mut tx = f.pool.begin().await.expect("begin");
    let found = f.engine.enqueue(&mut tx, &[order]).await.expect("enqueue");
    assert!(found[0].existing && found[0].id == id);
    let committed = std::cell::Cell::new(false);
    let claim = async {
        loop {
            if let Some(job) = f.claim("w", 1).await.first() {
                return (job.id, committed.get());
            }
            tokio::task::yield_now().await;
        }
    };
    let commit = async {
        // Long enough for a claim that does not wait to come first.
        for _ in 0..50 {
            sqlx::query("SELECT 1")
                .execute(&mut *tx)
                .await
                .expect("a look");
        }
        committed.set(true);
        tx.commit().await.expect("commit");
    };
    let (claimed, ()) = tokio::join!(claim, commit);
    assert_eq!(claimed, (id, true));
}
