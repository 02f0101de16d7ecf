//! A turn ends with its job, however that ended.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::testing::TestApp;
use jobs::{BuildFeed, PullSource};
use queue::Outcome;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

async fn feed(test: &TestApp) -> BuildFeed {
    let (key, text) = feeds::BUILT_IN[0];
    let definition = feeds::Definition::parse(text).unwrap();
    let value = serde_json::to_value(&definition).unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    stores::Feeds::put(&mut conn, key, &definition.name, &value)
        .await
        .unwrap();
    BuildFeed {
        feed: key.to_owned(),
    }
}

async fn free(test: &TestApp, name: &str) -> bool {
    test.app.locks.held(name).await.unwrap().is_none()
}

/// Its job is delivered again, finds its run ended, and is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_died_at_its_end_gives_up_its_turn() {
    let mut test = TestApp::start().await;
    let feed = feed(&test).await;
    let turn = format!("build of {}", feed.feed);
    test.stepper.deliver_twice();
    let step = test.stepper.perform(&feed).await.unwrap();
    assert_eq!(step.outcome.word(), "done");
    assert!(free(&test, &turn).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_left_behind_by_a_job_that_ended_keeps_nobody_waiting() {
    let mut test = TestApp::start().await;
    let feed = feed(&test).await;
    let turn = format!("build of {}", feed.feed);
    test.app
        .locks
        .take(&turn, "job 987654", HOUR)
        .await
        .unwrap();
    let step = test.stepper.perform(&feed).await.unwrap();
    assert_eq!(step.outcome.word(), "done");
    // A holder that is no job may still be at it.
    test.app.locks.take(&turn, "somebody", HOUR).await.unwrap();
    let step = test.stepper.perform(&feed).await.unwrap();
    assert!(matches!(step.outcome, Outcome::Snooze { .. }));
    test.forgive_left_behind();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_fails_gives_up_its_turn() {
    let mut test = TestApp::start().await;
    test.source("bayview", "vehicles").await;
    std::fs::remove_dir_all(test.root.join("drop/bayview")).unwrap();
    let pull = PullSource {
        source: "bayview".to_owned(),
    };
    let step = test.stepper.perform(&pull).await.unwrap();
    assert_ne!(step.outcome.word(), "done");
    test.forgive_left_behind();
    assert!(free(&test, "pull of bayview").await);
}
