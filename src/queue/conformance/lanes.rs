//! Limits, breakers, fairness and ageing, on any engine.

use super::{Fixture, Ledger, Probe, ack_of, done};
use crate::{Enqueue, Lane, Partner, Priority, QueueName, Verdict};
use std::time::Duration;

fn of(partner: &str, n: u32) -> Enqueue {
    Enqueue::of(&Probe {
        n,
        partner: Some(partner.to_owned()),
        ..Probe::default()
    })
    .expect("a probe is JSON")
}

/// Two processes that claim at once never run more than the limit together.
pub async fn a_queues_limit_holds_over_every_process<E: Ledger>(f: &Fixture<E>) {
    f.enqueue(&(0..50).map(super::probe).collect::<Vec<_>>())
        .await;
    let mut conn = f.pool.acquire().await.expect("a connection");
    Lane::limit_queue(&mut conn, QueueName::Index, Some(4))
        .await
        .expect("limit");
    f.engine.settle().await;
    let (a, b, c) = tokio::join!(f.claim("a", 10), f.claim("b", 10), f.claim("c", 10));
    let jobs = [a, b, c].concat();
    assert_eq!(jobs.len(), 4);
    assert!(f.claim("d", 10).await.is_empty());
    assert_eq!(f.ack(&jobs[0], done()).await, Verdict::Accepted);
    assert_eq!(f.claim("d", 10).await.len(), 1, "a finished job makes room");
    Lane::limit_queue(&mut conn, QueueName::Index, None)
        .await
        .expect("no limit");
    assert_eq!(f.claim("d", 100).await.len(), 45);
}

/// The jobs of a worker that died free their places when they are rescued.
pub async fn a_limit_counts_what_was_rescued_no_more<E: Ledger>(f: &Fixture<E>) {
    f.enqueue(&[of("slow", 1), of("slow", 2)]).await;
    let mut conn = f.pool.acquire().await.expect("a connection");
    assert!(
        Partner::limit(&mut conn, "slow", Some(1), None)
            .await
            .expect("limit")
    );
    let lost = f.claim("crashes", 10).await;
    assert_eq!(lost.len(), 1);
    f.expire_leases().await;
    assert_eq!(f.engine.rescue().await.expect("rescue").returned, 1);
    let again = f.claim("w", 10).await;
    assert_eq!(again.len(), 1);
    assert_eq!(f.ack(&lost[0], done()).await, Verdict::Stale);
    assert!(
        f.claim("w", 10).await.is_empty(),
        "a stale word frees no place"
    );
    assert_eq!(f.ack(&again[0], done()).await, Verdict::Accepted);
    assert_eq!(f.claim("w", 10).await.len(), 1);
}

/// A thousand jobs of one partner do not delay the one of another.
pub async fn a_backlog_of_one_partner_delays_no_other<E: Ledger>(f: &Fixture<E>) {
    let backlog: Vec<Enqueue> = (0..1_000).map(|n| of("busy", n)).collect();
    f.enqueue(&backlog).await;
    let one = f.enqueue(&[of("quiet", 1)]).await[0];
    let jobs = f.claim("w", 10).await;
    assert_eq!(
        jobs.len(),
        10,
        "the share of a partner without more jobs goes to the others"
    );
    assert!(
        jobs.iter()
            .any(|job| job.id == one && job.partner == "quiet")
    );
    // Nor when the busy one has a limit and the other none.
    let mut conn = f.pool.acquire().await.expect("a connection");
    Partner::limit(&mut conn, "busy", Some(500), None)
        .await
        .expect("limit");
    let another = f.enqueue(&[of("quiet", 2)]).await[0];
    let jobs = f.claim("w", 10).await;
    assert!(
        jobs.iter().any(|job| job.id == another),
        "{} jobs",
        jobs.len()
    );
}

/// Low priority is later, not never.
pub async fn a_job_that_waits_for_long_comes_before_a_new_urgent_one<E: Ledger>(f: &Fixture<E>) {
    let old = f.enqueue(&[super::probe(1).priority(Priority::Low)]).await[0];
    f.engine.settle().await;
    f.engine.grow_old(old, Duration::from_secs(600)).await;
    f.enqueue(
        &(0..100)
            .map(|n| super::probe(n).priority(Priority::High))
            .collect::<Vec<_>>(),
    )
    .await;
    let mut claimed = Vec::new();
    for _ in 0..4 {
        claimed.extend(f.claim("w", 4).await);
    }
    assert!(
        claimed.len() <= 16 && claimed.iter().any(|job| job.id == old),
        "it starves"
    );
}

/// While a partner is down its jobs are not even claimed; half open lets one through in the whole cluster, and
/// after it has closed they come by and by.
pub async fn an_open_breaker_stops_claiming_and_half_open_lets_one<E: Ledger>(f: &Fixture<E>) {
    let orders: Vec<Enqueue> = (0..100).map(|n| of("down", n)).collect();
    f.enqueue(&orders).await;
    f.enqueue(&[of("well", 1)]).await;
    let mut conn = f.pool.acquire().await.expect("a connection");
    Partner::isolate(&mut conn, "down", "ops", "it is being moved")
        .await
        .expect("isolate");
    let jobs = f.claim("w", 50).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].partner, "well");
    Partner::probe_now(&mut conn, "down", "ops")
        .await
        .expect("probe");
    let (a, b) = tokio::join!(f.claim("a", 50), f.claim("b", 50));
    let probes = [a, b].concat();
    assert_eq!(probes.len(), 1, "one probe in the cluster");
    Partner::close(&mut conn, "down", "ops", false)
        .await
        .expect("close");
    assert_eq!(f.ack(&probes[0], done()).await, Verdict::Accepted);
    let released = f.claim("w", 100).await.len();
    assert!((1..100).contains(&released), "{released} at once is a herd");
}

pub async fn a_waiting_job_is_cancelled_at_once<E: Ledger>(f: &Fixture<E>) {
    use crate::Cancelled;
    let id = f.enqueue(&[super::probe(1)]).await[0];
    f.engine.settle().await;
    assert_eq!(
        f.engine.cancel(id, "ops").await.expect("cancel"),
        Cancelled::AtOnce
    );
    assert!(f.claim("w", 10).await.is_empty());
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!((record.state.as_str(), record.attempt), ("cancelled", 0));
    assert_eq!(record.report.expect("by whom")["cancelled"], "by ops");
    assert_eq!(
        f.engine.cancel(id, "ops").await.expect("cancel"),
        Cancelled::TooLate
    );
    assert_eq!(
        f.engine.cancel(i64::MAX, "ops").await.expect("cancel"),
        Cancelled::TooLate
    );
}

/// The engine only passes the word on; the worker drops the job.
pub async fn a_running_job_is_asked_to_end<E: Ledger>(f: &Fixture<E>) {
    use crate::{Cancelled, Outcome};
    let ids = f.enqueue(&[super::probe(1), super::probe(2)]).await;
    let jobs = f.claim("w", 10).await;
    assert_eq!(
        f.engine.cancel(ids[1], "ops").await.expect("cancel"),
        Cancelled::Asked
    );
    let asked = f.engine.cancelling(&ids).await.expect("cancelling");
    assert_eq!(asked, [(ids[1], "ops".to_owned())]);
    let reason = "by ops".to_owned();
    assert_eq!(
        f.ack(&jobs[1], Outcome::Cancelled { reason }).await,
        Verdict::Accepted
    );
    let record = f.engine.find(ids[1]).await.expect("find").expect("kept");
    assert_eq!(record.state.as_str(), "cancelled");
}

pub async fn progress_is_fenced_and_shown<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[super::probe(1)]).await[0];
    let job = f.claim("w", 1).await.remove(0);
    let far = serde_json::json!({ "done": 3, "total": 10, "what": "rows" });
    let zombie = [(id, job.token + 1, far.clone())];
    assert_eq!(f.engine.progress(&zombie).await.expect("progress"), 0);
    assert_eq!(
        f.engine
            .progress(&[(id, job.token, far.clone())])
            .await
            .expect("progress"),
        1
    );
    let record = f.engine.find(id).await.expect("find").expect("kept");
    assert_eq!(record.progress, Some(far));
    f.engine.started(&[(id, job.token)]).await.expect("started");
    assert_eq!(f.state(id).await, crate::JobState::Running);
}

/// What an attempt said is there when its worker is long gone.
pub async fn lines_of_attempts_are_kept<E: Ledger>(f: &Fixture<E>) {
    let id = f.enqueue(&[super::probe(1)]).await[0];
    let job = f.claim("w", 1).await.remove(0);
    let mut ack = ack_of(&job, done());
    ack.lines = vec![
        "INFO fetched rows=\"12\0\"".to_owned(),
        "WARN slow".to_owned(),
    ];
    let verdicts = f.engine.ack("w", &[ack]).await.expect("ack");
    assert_eq!(verdicts, [Verdict::Accepted]);
    let mut conn = f.pool.acquire().await.expect("a connection");
    let logs = crate::Jobs::logs(&mut conn, id).await.expect("logs");
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].attempt, 1);
    assert_eq!(logs[0].lines, ["INFO fetched rows=\"12\"", "WARN slow"]);
}

/// Retention looks at what has ended; what waits, snoozes or runs keeps all it has.
pub async fn pruning_never_touches_an_unfinished_job<E: Ledger>(f: &Fixture<E>) {
    use crate::{Effects, Jobs, Outcome};
    let ids = f
        .enqueue(&[super::probe(1), super::probe(2), super::probe(3)])
        .await;
    let jobs = f.claim("w", 3).await;
    let snooze = Outcome::Snooze {
        after: Duration::from_secs(60),
        reason: "later".to_owned(),
    };
    let mut ack = ack_of(&jobs[0], snooze);
    ack.lines = vec!["INFO not yet".to_owned()];
    f.engine.ack("w", &[ack]).await.expect("ack");
    f.ack(&jobs[1], done()).await;
    let mut conn = f.pool.acquire().await.expect("a connection");
    for id in &ids {
        Effects::first(&mut conn, *id, "step", "digest")
            .await
            .expect("effect");
    }
    // Older than a second from now: everything.
    let pruned = Jobs::prune(&mut conn, "probe", -1.0, 100)
        .await
        .expect("prune");
    assert_eq!(pruned, 1, "only what has ended");
    let leftovers = Jobs::prune_leftovers(&mut conn, -1.0, 100)
        .await
        .expect("prune");
    assert_eq!(leftovers, 1, "the effect of the job that has ended");
    assert_eq!(
        Jobs::attempts(&mut conn, ids[0])
            .await
            .expect("attempts")
            .len(),
        1
    );
    assert_eq!(Jobs::logs(&mut conn, ids[0]).await.expect("logs").len(), 1);
    assert_eq!(
        Effects::of(&mut conn, ids[2]).await.expect("effects").len(),
        1
    );
    assert_eq!(f.ack(&jobs[2], done()).await, Verdict::Accepted);
}
