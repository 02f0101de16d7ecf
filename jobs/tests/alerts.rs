//! The watch and the webhook: what is wrong becomes an alert, once, is told once, and ends when it does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::loops::watch;
use jobs::testing::TestApp;
use jobs::{App, DeliverAlert};
use queue::Partner;
use std::sync::{Arc, Mutex};
use stores::{Alert, Alerts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn open(app: &App) -> Vec<Alert> {
    Alerts::open(&mut app.pool.acquire().await.unwrap())
        .await
        .unwrap()
}

async fn execute(app: &App, sql: &'static str) {
    stores::execute_for_tests(&app.pool, sql).await.unwrap();
}

#[tokio::test]
async fn the_watch_raises_what_holds_and_ends_what_does_not() {
    let test = TestApp::start().await;
    execute(
        &test.app,
        "INSERT INTO partners (name) VALUES ('vpic');
         INSERT INTO feeds (key, name, definition) VALUES ('google', 'Google', '{}');
         INSERT INTO feed_runs (feed_id, job_id, state, finished_at) SELECT id, 1, 'published', now() - interval '2 days' FROM feeds;
         INSERT INTO schedules (key, cron, time_zone, kind, args) VALUES ('nightly', '0 2 * * *', 'UTC', 'prune_history', '{}');
         INSERT INTO schedule_ticks (schedule_id, tick_at, verdict) SELECT id, now(), 'missed: no scheduler ran' FROM schedules;
         INSERT INTO lanes (queue) VALUES ('photos');
         INSERT INTO jobs_hot (lane, kind, version, priority, run_at, max_attempts, args)
             SELECT id, 'hash_photos', 1, 1, now() - interval '5 minutes', 3, '{}' FROM lanes WHERE queue = 'photos'",
    )
    .await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    Partner::isolate(&mut conn, "vpic", "ops", "moving")
        .await
        .unwrap();
    watch(&test.app).await.unwrap();
    watch(&test.app).await.unwrap();
    let mut raised: Vec<(String, String)> = open(&test.app)
        .await
        .into_iter()
        .map(|alert| (alert.what, alert.subject))
        .collect();
    raised.sort();
    let wanted = [
        ("breaker_open", "vpic"),
        ("feed_stale", "google"),
        ("missed_ticks", "nightly"),
        ("queue_unworked", "photos"),
    ];
    assert_eq!(
        raised,
        wanted.map(|(what, subject)| (what.to_owned(), subject.to_owned()))
    );
    Partner::close(&mut conn, "vpic", "ops", false)
        .await
        .unwrap();
    execute(
        &test.app,
        "UPDATE feed_runs SET finished_at = now(); UPDATE schedule_ticks SET verdict = 'backfilled by ops'; DELETE FROM jobs_hot",
    )
    .await;
    watch(&test.app).await.unwrap();
    assert!(open(&test.app).await.is_empty());
}

/// Answers each request with the next status; keeps the bodies and keys.
async fn receiver(statuses: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?secret=1", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = got.clone();
    tokio::spawn(async move {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.ends_with('}') {
                let mut piece = [0; 4096];
                let bytes = stream.read(&mut piece).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&piece[..bytes]));
            }
            kept.lock().unwrap().push(text);
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, got)
}

async fn told(url: &str) -> (TestApp, i64) {
    let mut test = TestApp::start().await;
    test.tell(url);
    let mut conn = test.app.pool.acquire().await.unwrap();
    Alerts::raise(
        &mut conn,
        "file_held",
        "critical",
        "bayview",
        "40 % of the stock would go",
    )
    .await
    .unwrap();
    drop(conn);
    let id = open(&test.app).await[0].id;
    (test, id)
}

#[tokio::test]
async fn an_alert_is_told_once_to_the_webhook() {
    let (url, got) = receiver(&["200 OK"]).await;
    let (mut test, id) = told(&url).await;
    watch(&test.app).await.unwrap();
    let steps = test.run_all().await;
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].outcome.word(), "done", "{:?}", steps[0].outcome);
    // Told, so neither the watch nor a second delivery tells it again.
    watch(&test.app).await.unwrap();
    assert!(test.run_all().await.is_empty());
    execute(&test.app, "DELETE FROM job_keys").await;
    test.stepper
        .perform(&DeliverAlert { alert: id })
        .await
        .unwrap();
    let got = got.lock().unwrap().clone();
    assert_eq!(got.len(), 1);
    assert!(
        got[0].contains(&format!("forecourt-alert-{id}")) && got[0].contains("40 % of the stock")
    );
}

/// A receiver that is down costs no attempt, and its address is in no error.
#[tokio::test]
async fn a_webhook_that_is_down_is_waited_for() {
    let (url, _) = receiver(&["503 Service Unavailable", "503 Service Unavailable"]).await;
    let (mut test, id) = told(&url).await;
    let step = test
        .stepper
        .perform(&DeliverAlert { alert: id })
        .await
        .unwrap();
    assert_eq!(step.outcome.word(), "snooze", "{:?}", step.outcome);
    assert!(!format!("{:?}", step.outcome).contains("secret"));
    assert!(open(&test.app).await[0].delivered_at.is_none());
    test.forgive_left_behind();
}

#[tokio::test]
async fn an_alert_that_is_not_there_is_refused() {
    let mut test = TestApp::start().await;
    let step = test
        .stepper
        .perform(&DeliverAlert { alert: 99 })
        .await
        .unwrap();
    assert_eq!(step.outcome.word(), "dead");
}
