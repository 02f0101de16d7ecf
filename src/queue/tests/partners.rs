//! Breakers over several processes, locks and throttles, on the real stores.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use queue::{
    BreakerPolicy, BreakerState, CallEnd, Effects, Hints, Locks, Partner, Partners, Permit,
    PostgresEngine, RedisEngine, Throttle, Turn,
};
use sqlx::PgPool;
use std::time::Duration;

const POLICY: BreakerPolicy = BreakerPolicy {
    window: Duration::from_secs(60),
    minimum: 8,
    failed_share: 0.5,
    slow: Duration::from_secs(20),
    slow_share: 0.8,
    first_break: Duration::from_secs(15),
    longest_break: Duration::from_secs(300),
    probe: Duration::from_secs(60),
    retry_share: 0.2,
};

async fn pool() -> PgPool {
    PgPool::connect(&embedded::testing::database())
        .await
        .unwrap()
}

fn process(pool: &PgPool) -> Partners {
    Partners::new(pool.clone(), POLICY, Throttle::Postgres(pool.clone()))
}

async fn call(partners: &Partners, failed: bool) -> bool {
    let Ok(permit) = partners.admit("vpic", false).await.unwrap() else {
        return false;
    };
    let end = if failed {
        CallEnd::Failed("503".to_owned())
    } else {
        CallEnd::Answered
    };
    partners
        .report("vpic", permit, &end, Duration::from_millis(30))
        .await
        .unwrap();
    true
}

async fn partner(pool: &PgPool) -> Partner {
    let mut conn = pool.acquire().await.unwrap();
    Partner::find(&mut conn, "vpic").await.unwrap().unwrap()
}

async fn break_is_over(pool: &PgPool) {
    sqlx::query("UPDATE partners SET until = now() - interval '1 second'")
        .execute(pool)
        .await
        .unwrap();
}

/// Opens the breaker from three processes that each see only a third of the failures.
async fn opened() -> (PgPool, [Partners; 3]) {
    let pool = pool().await;
    let processes = [process(&pool), process(&pool), process(&pool)];
    for n in 0..9 {
        call(&processes[n % 3], true).await;
    }
    assert_eq!(partner(&pool).await.state, BreakerState::Open);
    (pool, processes)
}

#[tokio::test]
async fn four_failures_in_a_hundred_do_not_open() {
    let pool = pool().await;
    let partners = process(&pool);
    for n in 0..100 {
        assert!(call(&partners, n % 25 == 24).await);
    }
    assert_eq!(partner(&pool).await.state, BreakerState::Closed);
}

#[tokio::test]
async fn failures_of_three_processes_count_together_and_open_for_all() {
    let (pool, processes) = opened().await;
    let reason = partner(&pool).await.reason.unwrap();
    assert!(reason.contains("calls failed within 60 s"), "{reason}");
    // A process that had nothing to do with it learns it too.
    let refusal = process(&pool)
        .admit("vpic", false)
        .await
        .unwrap()
        .unwrap_err();
    assert!(refusal.wait <= Duration::from_secs(15) && refusal.reason.contains("open breaker"));
    let mut conn = pool.acquire().await.unwrap();
    let events = Partner::events(&mut conn, "vpic", 10).await.unwrap();
    assert_eq!(
        events.len(),
        1,
        "one transition is one event, whoever made it"
    );
    drop(processes);
}

#[tokio::test]
async fn three_processes_make_one_probe() {
    let (pool, _) = opened().await;
    break_is_over(&pool).await;
    let fresh = [process(&pool), process(&pool), process(&pool)];
    let (a, b, c) = tokio::join!(
        fresh[0].admit("vpic", false),
        fresh[1].admit("vpic", false),
        fresh[2].admit("vpic", false)
    );
    let probes: Vec<Permit> = [a, b, c]
        .into_iter()
        .filter_map(|answer| answer.unwrap().ok())
        .collect();
    assert_eq!(probes.len(), 1);
    assert!(probes[0].probe().is_some());
}

#[tokio::test]
async fn a_failed_probe_doubles_the_break_and_an_answered_one_closes() {
    let (pool, _) = opened().await;
    break_is_over(&pool).await;
    assert!(call(&process(&pool), true).await);
    let after = partner(&pool).await;
    assert_eq!(
        (after.state, after.break_seconds),
        (BreakerState::Open, 30.0)
    );
    break_is_over(&pool).await;
    assert!(call(&process(&pool), false).await);
    assert_eq!(partner(&pool).await.state, BreakerState::Closed);
    // The failures before the break are forgotten: one more does not open it again.
    assert!(call(&process(&pool), true).await);
    assert_eq!(partner(&pool).await.state, BreakerState::Closed);
}

#[tokio::test]
async fn a_probe_that_never_returns_does_not_hold_the_breaker() {
    let (pool, _) = opened().await;
    break_is_over(&pool).await;
    let stuck = process(&pool);
    let lost = stuck.admit("vpic", false).await.unwrap().unwrap();
    assert!(process(&pool).admit("vpic", false).await.unwrap().is_err());
    sqlx::query("UPDATE partners SET probe_until = now() - interval '1 second'")
        .execute(&pool)
        .await
        .unwrap();
    assert!(call(&process(&pool), false).await, "another may go");
    // Its late word is nobody's.
    stuck
        .report(
            "vpic",
            lost,
            &CallEnd::Failed("late".to_owned()),
            Duration::ZERO,
        )
        .await
        .unwrap();
    assert_eq!(partner(&pool).await.state, BreakerState::Closed);
}

#[tokio::test]
async fn operators_isolate_and_force() {
    let pool = pool().await;
    assert!(call(&process(&pool), false).await);
    let mut conn = pool.acquire().await.unwrap();
    assert!(
        Partner::isolate(&mut conn, "vpic", "ops", "moving house")
            .await
            .unwrap()
    );
    let refusal = process(&pool)
        .admit("vpic", false)
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        refusal.reason.contains("moving house"),
        "{}",
        refusal.reason
    );
    assert!(
        Partner::close(&mut conn, "vpic", "ops", true)
            .await
            .unwrap()
    );
    for _ in 0..20 {
        assert!(call(&process(&pool), true).await);
    }
    assert_eq!(partner(&pool).await.state, BreakerState::ForcedClosed);
    let events = Partner::events(&mut conn, "vpic", 10).await.unwrap();
    assert_eq!(events[0].who.as_deref(), Some("ops"));
}

async fn rate_is_held(throttle: Throttle) {
    // Sixty at ten a second: ten at once, and the last one waits five seconds.
    let minute = Duration::from_secs(60);
    let taken = async |name: &str| match throttle.take(name, 10.0, minute).await.unwrap() {
        Turn::Taken(wait) => wait,
        full => panic!("{full:?}"),
    };
    let mut waits = Vec::new();
    for _ in 0..60 {
        waits.push(taken("p").await);
    }
    assert!(waits[..10].iter().all(Duration::is_zero), "{waits:?}");
    let last = waits[59].as_secs_f64();
    assert!((4.0..=5.1).contains(&last), "{last}");
    assert!(taken("another").await.is_zero());
    // Whoever is sent away does not lengthen the line for those who come after.
    let short = Duration::from_secs(2);
    let mut turns = Vec::new();
    for _ in 0..200 {
        turns.push(throttle.take("slow", 1.0, short).await.unwrap());
    }
    let served = turns.iter().filter(|t| matches!(t, Turn::Taken(_))).count();
    assert!((3..=4).contains(&served), "{served} of {turns:?}");
    let Some(Turn::Full(wait)) = turns.last() else {
        panic!("{turns:?}")
    };
    assert!(*wait <= Duration::from_secs(4), "{wait:?}");
}

#[tokio::test]
async fn a_throttle_holds_its_rate_on_postgresql() {
    rate_is_held(Throttle::Postgres(pool().await)).await;
}

#[tokio::test]
async fn a_throttle_holds_its_rate_on_redis() {
    let pool = pool().await;
    let (url, prefix) = embedded::testing::redis();
    let engine = RedisEngine::new(PostgresEngine::new(pool.clone()), &url, &prefix).unwrap();
    let bucket = engine.bucket();
    rate_is_held(Throttle::Redis {
        bucket: bucket.clone(),
        fallback: pool.clone(),
    })
    .await;
    let hints = Hints::Redis(bucket);
    assert!(hints.take("sweep", "a", Duration::from_secs(60)).await);
    assert!(!hints.take("sweep", "b", Duration::from_secs(60)).await);
    hints.release("sweep", "b").await;
    assert!(
        !hints.take("sweep", "b", Duration::from_secs(60)).await,
        "only its owner lets it go"
    );
    hints.release("sweep", "a").await;
    assert!(hints.take("sweep", "b", Duration::from_secs(60)).await);
}

/// The epoch fences: an owner that slept through its time cannot write over the next.
#[tokio::test]
async fn a_lock_that_ran_out_fences_its_old_owner() {
    let pool = pool().await;
    let locks = Locks::new(pool.clone());
    let hold = Duration::from_secs(60);
    let first = locks.take("feed x", "a", hold).await.unwrap().unwrap();
    assert!(locks.take("feed x", "b", hold).await.unwrap().is_none());
    let mut tx = pool.begin().await.unwrap();
    assert!(first.still_held(&mut tx).await.unwrap());
    drop(tx);
    sqlx::query("UPDATE locks SET until = now() - interval '1 second'")
        .execute(&pool)
        .await
        .unwrap();
    let second = locks.take("feed x", "b", hold).await.unwrap().unwrap();
    assert!(second.epoch > first.epoch);
    let mut tx = pool.begin().await.unwrap();
    assert!(!first.still_held(&mut tx).await.unwrap() && second.still_held(&mut tx).await.unwrap());
    drop(tx);
    assert!(!locks.renew(&first, hold).await.unwrap() && !locks.release(&first).await.unwrap());
    assert!(locks.renew(&second, hold).await.unwrap() && locks.release(&second).await.unwrap());
}

#[tokio::test]
async fn an_effect_is_noted_once_a_job_and_step() {
    let pool = pool().await;
    let mut tx = pool.begin().await.unwrap();
    assert!(Effects::first(&mut tx, 7, "upload", "abc").await.unwrap());
    tx.rollback().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    assert!(
        Effects::first(&mut conn, 7, "upload", "abc").await.unwrap(),
        "rolled back is not made"
    );
    assert!(!Effects::first(&mut conn, 7, "upload", "abc").await.unwrap());
    assert!(Effects::first(&mut conn, 8, "upload", "abc").await.unwrap());
    assert_eq!(
        Effects::of(&mut conn, 7).await.unwrap(),
        [("upload".to_owned(), "abc".to_owned())]
    );
}
