//! A partner nobody has anything to ask is asked whether it is back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::loops::watch;
use jobs::testing::TestApp;
use queue::{BreakerState, Partner};

async fn state(test: &TestApp, name: &str) -> BreakerState {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Partner::find(&mut conn, name).await.unwrap().unwrap().state
}

async fn execute(test: &TestApp, sql: &'static str) {
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_back_is_found_out_without_traffic() {
    let mut test = TestApp::start().await;
    test.source("bayview", "homenet").await;
    execute(
        &test,
        "INSERT INTO partners (name, state, reason, until) VALUES
            ('sftp bayview', 'open', 'it was down', now()),
            ('photos gone.example.com', 'open', 'it was down', now()),
            ('sftp later', 'open', 'it is down', now() + interval '1 hour')",
    )
    .await;
    watch(&test.app).await.unwrap();
    let steps = test.run_all().await;
    assert_eq!(steps.len(), 2);
    assert_eq!(state(&test, "sftp bayview").await, BreakerState::Closed);
    // No photo of that host is known: nothing would ever close it.
    assert_eq!(
        state(&test, "photos gone.example.com").await,
        BreakerState::Closed
    );
    assert_eq!(state(&test, "sftp later").await, BreakerState::Open);
    watch(&test.app).await.unwrap();
    assert!(test.run_all().await.is_empty());
}

/// The first source of the host is isolated: another asks, and the host's breaker closes by its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_asked_by_any_of_its_sources() {
    let mut test = TestApp::start().await;
    test.source("bayview", "homenet").await;
    test.source("harbor", "homenet").await;
    let host = format!("host 127.0.0.1:{}", test.sftp.port);
    let sql = format!(
        "INSERT INTO partners (name, state, reason, until) VALUES
            ('sftp bayview', 'isolated', 'by hand', NULL),
            ('{host}', 'open', 'it was down', now())"
    );
    execute(&test, sql.leak()).await;
    watch(&test.app).await.unwrap();
    let steps = test.run_all().await;
    assert_eq!(steps.len(), 1);
    assert_eq!(state(&test, &host).await, BreakerState::Closed, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_still_down_is_left_alone_for_longer() {
    let mut test = TestApp::start().await;
    test.source("bayview", "homenet").await;
    execute(
        &test,
        "UPDATE sources SET port = 1;
         INSERT INTO partners (name, state, reason, until) VALUES ('sftp bayview', 'open', 'it was down', now())",
    )
    .await;
    watch(&test.app).await.unwrap();
    let steps = test.run_all().await;
    assert_eq!(steps[0].outcome.word(), "done");
    let mut conn = test.app.pool.acquire().await.unwrap();
    let partner = Partner::find(&mut conn, "sftp bayview")
        .await
        .unwrap()
        .unwrap();
    assert!(partner.state == BreakerState::Open && partner.until.unwrap() > partner.as_of);
    drop(conn);
    // While its break lasts nobody asks again.
    watch(&test.app).await.unwrap();
    assert!(test.run_all().await.is_empty());
}
