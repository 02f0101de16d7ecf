//! The cron ledger: every expected tick has a verdict, whatever happened to schedulers and clocks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use jobs::loops::{backfill, next_tick, tick_all};
use jobs::testing::TestApp;
use stores::{Overlap, Schedule, Schedules, Tick};

async fn scheduled(cron: &str, overlap: Overlap, catch_up_seconds: i64) -> TestApp {
    let test = TestApp::start().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let args = serde_json::json!({});
    Schedules::ensure(&mut conn, "sweep", cron, "UTC", "prune_history", &args)
        .await
        .unwrap();
    let mut schedule = Schedules::find(&mut conn, "sweep").await.unwrap().unwrap();
    schedule.overlap = overlap;
    schedule.catch_up_seconds = catch_up_seconds;
    Schedules::edit(&mut conn, &schedule).await.unwrap();
    drop(conn);
    test
}

async fn down_for(test: &TestApp, sql: &'static str) {
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
}

async fn ticks(test: &TestApp) -> Vec<Tick> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Schedules::ticks(&mut conn, "sweep", 20_000).await.unwrap()
}

fn of<'a>(ticks: &'a [Tick], verdict: &str) -> Vec<&'a Tick> {
    ticks
        .iter()
        .filter(|tick| tick.verdict.starts_with(verdict))
        .collect()
}

async fn schedule(test: &TestApp) -> Schedule {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Schedules::find(&mut conn, "sweep").await.unwrap().unwrap()
}

/// Three schedulers at once, one of them gone half way, ten thousand ticks: none missed, none doubled.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_ticks_by_three_schedulers_are_each_there_once() {
    let mut test = scheduled("* * * * *", Overlap::Skip, 60).await;
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = date_trunc('minute', now()) - interval '10000 minutes'",
    )
    .await;
    for look in 0..12 {
        let schedulers = if look < 6 { 3 } else { 2 };
        let looks = (0..schedulers).map(|_| tick_all(&test.app));
        for done in futures::future::join_all(looks).await {
            done.unwrap();
        }
    }
    let ticks = ticks(&test).await;
    assert!(
        (10_000..=10_002).contains(&ticks.len()),
        "{} ticks",
        ticks.len()
    );
    for pair in ticks.windows(2) {
        assert_eq!(
            pair[0].tick_at.duration_since(pair[1].tick_at),
            SignedDuration::from_mins(1)
        );
    }
    assert!(of(&ticks, "missed: later than its catch-up window").len() >= 9_997);
    let ran = of(&ticks, "ran").len() + of(&ticks, "skipped").len();
    assert!((1..=3).contains(&ran), "{ran}");
    test.run_all().await;
}

/// Three hours down: the night is made up for once, and the ledger says so.
#[tokio::test]
async fn an_outage_within_the_window_is_caught_up_once() {
    let mut test = scheduled("0 * * * *", Overlap::Skip, 86_400).await;
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = date_trunc('hour', now()) - interval '3 hours'",
    )
    .await;
    // Just after the full hour the newest tick is not late.
    tick_all(&test.app).await.unwrap();
    let made = ticks(&test).await;
    assert_eq!(made.len(), 3);
    assert_eq!(of(&made, "missed: no scheduler ran").len(), 2);
    let newest = &made[0];
    assert!(newest.job_id.is_some() && (newest.verdict == "caught up" || newest.verdict == "ran"));
    assert_eq!(test.run_all().await.len(), 1);
}

#[tokio::test]
async fn allow_runs_every_tick_that_was_missed() {
    let mut test = scheduled("0 * * * *", Overlap::Allow, 86_400).await;
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = date_trunc('hour', now()) - interval '3 hours'",
    )
    .await;
    tick_all(&test.app).await.unwrap();
    let made = ticks(&test).await;
    assert!(made.iter().all(|tick| tick.job_id.is_some()), "{made:?}");
    test.run_all().await;
}

#[tokio::test]
async fn skip_and_buffer_one_wait_for_the_run_before() {
    let mut test = scheduled("* * * * *", Overlap::BufferOne, 86_400).await;
    // Of this minute alone: whatever the clock does meanwhile, no other tick comes.
    down_for(
        &test,
        "UPDATE schedules SET cron = extract(minute FROM now())::int || ' * * * *'",
    )
    .await;
    let a_minute_later = "UPDATE schedules SET ticked_to = ticked_to - interval '1 minute';
        UPDATE schedule_ticks SET tick_at = tick_at - interval '1 minute';
        UPDATE schedules SET buffered_at = buffered_at - interval '1 minute'";
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = date_trunc('hour', now())
            + split_part(cron, ' ', 1)::int * interval '1 minute' - interval '1 second'",
    )
    .await;
    tick_all(&test.app).await.unwrap();
    for _ in 0..2 {
        down_for(&test, a_minute_later).await;
        tick_all(&test.app).await.unwrap();
    }
    let made = ticks(&test).await;
    let words: Vec<&str> = made
        .iter()
        .map(|tick| tick.verdict.split(':').next().unwrap())
        .collect();
    assert_eq!(words, ["skipped", "buffered", "ran"]);
    assert_eq!(test.run_all().await.len(), 1);
    tick_all(&test.app).await.unwrap();
    let made = ticks(&test).await;
    let after = of(&made, "ran, after the run before it");
    assert!(after.len() == 1 && after[0].job_id.is_some(), "{made:?}");
    assert_eq!(made.len(), 3, "the buffered tick is the one that ran");
    assert_eq!(test.run_all().await.len(), 1);
}

/// Paused ticks have a verdict too, and are not made up for on resuming.
#[tokio::test]
async fn a_paused_schedule_keeps_its_ledger() {
    let mut test = scheduled("* * * * *", Overlap::Skip, 86_400).await;
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = date_trunc('minute', now()) - interval '5 minutes'",
    )
    .await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert!(
        Schedules::pause(&mut conn, "sweep", Some("ops"))
            .await
            .unwrap()
    );
    tick_all(&test.app).await.unwrap();
    assert!(Schedules::pause(&mut conn, "sweep", None).await.unwrap());
    tick_all(&test.app).await.unwrap();
    let made = ticks(&test).await;
    assert!(of(&made, "skipped: paused by ops").len() >= 5, "{made:?}");
    assert!(!Schedules::pause(&mut conn, "nothing", None).await.unwrap());
    drop(conn);
    test.run_all().await;
}

/// A backfill runs what has no run, and only that.
#[tokio::test]
async fn a_backfill_runs_what_was_missed_and_nothing_twice() {
    let mut test = scheduled("0 * * * *", Overlap::Skip, 60).await;
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = date_trunc('hour', now()) - interval '4 hours 1 second'",
    )
    .await;
    tick_all(&test.app).await.unwrap();
    let schedule = schedule(&test).await;
    let made = ticks(&test).await;
    let (first, last) = (made.last().unwrap().tick_at, made[1].tick_at);
    let jobs = backfill(&test.app, &schedule, first, last, "ops")
        .await
        .unwrap();
    assert_eq!(jobs.len(), made.len() - 1);
    assert!(
        backfill(&test.app, &schedule, first, last, "ops")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        of(&ticks(&test).await, "backfilled by ops").len(),
        jobs.len()
    );
    // More than it may make at once is refused whole, not cut.
    let years_ago = first - jiff::SignedDuration::from_hours(24 * 365);
    let refused = backfill(&test.app, &schedule, years_ago, last, "ops").await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("1000 ticks or more"), "{said}");
    assert_eq!(ticks(&test).await.len(), made.len());
    test.run_all().await;
}

/// An edit takes effect from now: it makes no tick in the past.
#[tokio::test]
async fn an_edited_schedule_has_no_past() {
    let mut test = scheduled("0 0 1 1 *", Overlap::Skip, 86_400).await;
    down_for(
        &test,
        "UPDATE schedules SET ticked_to = now() - interval '10 days'",
    )
    .await;
    let mut edited = schedule(&test).await;
    edited.cron = "* * * * *".to_owned();
    let mut conn = test.app.pool.acquire().await.unwrap();
    Schedules::edit(&mut conn, &edited).await.unwrap();
    drop(conn);
    tick_all(&test.app).await.unwrap();
    assert!(ticks(&test).await.len() <= 1);
    test.run_all().await;
}

fn at_denver(cron: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = Schedule {
        id: 1,
        key: "x".to_owned(),
        cron: cron.to_owned(),
        time_zone: "America/Denver".to_owned(),
        kind: "prune_history".to_owned(),
        args: serde_json::json!({}),
        overlap: Overlap::Skip,
        catch_up_seconds: 60,
        paused_by: None,
        ticked_to: Timestamp::UNIX_EPOCH,
    };
    let mut at: Timestamp = from.parse().unwrap();
    (0..count)
        .map(|_| {
            at = next_tick(&schedule, at).unwrap();
            at.to_string()
        })
        .collect()
}

/// A tick in the gap runs once, at the shift; a tick in the fold runs once.
#[test]
fn daylight_saving_neither_loses_nor_doubles_a_night() {
    // Clocks go from 02:00 to 03:00 on 8 March 2026 in Denver (UTC-7 to UTC-6).
    let spring = at_denver("30 2 * * *", "2026-03-07T12:00:00Z", 2);
    assert_eq!(spring, ["2026-03-08T09:00:00Z", "2026-03-09T08:30:00Z"]);
    // And from 02:00 back to 01:00 on 1 November 2026.
    let autumn = at_denver("30 1 * * *", "2026-10-31T12:00:00Z", 2);
    assert_eq!(autumn, ["2026-11-01T07:30:00Z", "2026-11-02T08:30:00Z"]);
    let nights = at_denver("15 3 * * *", "2026-01-01T00:00:00Z", 365);
    assert_eq!(
        nights
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        365
    );
    assert_eq!(nights[364], "2026-12-31T10:15:00Z");
}

#[tokio::test]
async fn every_installation_keeps_its_house_and_an_operators_hours_stay() {
    let test = TestApp::start().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    jobs::upkeep::ensure(&mut conn).await.unwrap();
    let mut made = Schedules::list(&mut conn).await.unwrap();
    let kinds: Vec<&str> = made.iter().map(|schedule| schedule.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["archive_listings", "prune_history", "revisit_photos"]
    );
    for schedule in &made {
        jobs::loops::check_schedule(schedule).unwrap();
    }
    made[0].cron = "0 9 * * 0".to_owned();
    Schedules::edit(&mut conn, &made[0]).await.unwrap();
    jobs::upkeep::ensure(&mut conn).await.unwrap();
    let again = Schedules::list(&mut conn).await.unwrap();
    assert_eq!((again.len(), again[0].cron.as_str()), (3, "0 9 * * 0"));
}
