//! What watches a process from outside, over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use api::{Api, IndexTailer};
use jobs::PullSource;
use jobs::testing::TestApp;
use queue::{Engine, Enqueue, Partner};
use reqwest::{Client, StatusCode};
use std::collections::BTreeSet;
use std::sync::Arc;
use stores::{Alerts, Keys, Scope};
use tokio_util::sync::CancellationToken;

async fn text(url: &str, key: Option<&str>) -> (StatusCode, String) {
    let mut request = Client::new().get(url);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_of_the_process_and_of_the_installation_and_the_rules_name_no_other() {
    let mut test = TestApp::start().await;
    test.source("bayview", "homenet").await;
    test.dropped("bayview", "stock.csv", b"VIN,Stock\n");
    let pull = Enqueue::of(&PullSource {
        source: "bayview".to_owned(),
    });
    test.stepper
        .perform(&PullSource {
            source: "bayview".to_owned(),
        })
        .await
        .unwrap();
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    test.app
        .engine
        .enqueue(&mut conn, &[pull.unwrap()])
        .await
        .unwrap();
    Partner::isolate(&mut conn, "sftp bayview", "jane", "a test")
        .await
        .unwrap();
    Alerts::raise(&mut conn, "tried", "critical", "it", "because")
        .await
        .unwrap();
    stores::Schedules::ensure(
        &mut conn,
        "pull-bayview",
        "0 2 * * *",
        "UTC",
        "pull_source",
        &serde_json::json!({"source": "bayview"}),
    )
    .await
    .unwrap();
    let key = Keys::create(&mut conn, "prometheus", Scope::Read)
        .await
        .unwrap();
    drop(conn);
    let stop = CancellationToken::new();
    let api = Api {
        app: test.app.clone(),
        catalogue: test.catalogue.clone(),
        search: Arc::new(IndexTailer::default()),
        workers: None,
    };
    let (address, _) = api::serve(api, ([127, 0, 0, 1], 0).into(), stop.clone())
        .await
        .unwrap();
    let (watched, _) = api::serve_watch(
        test.app.clone(),
        None,
        ([127, 0, 0, 1], 0).into(),
        stop.clone(),
    )
    .await
    .unwrap();

    let url = format!("http://{address}/metrics");
    assert_eq!(text(&url, None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        text(&url, Some("fc_wrong")).await.0,
        StatusCode::UNAUTHORIZED
    );
    let (status, told) = text(&url, Some(&key)).await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        r#"forecourt_job_attempts_total{kind="pull_source",outcome="done"} 1"#,
        r#"forecourt_queue_jobs{queue="sftp",state="ready"} 1"#,
        r#"forecourt_partner_shut{partner="sftp bayview",state="isolated"} 1"#,
        r#"forecourt_alerts_open{what="tried",severity="critical"} 1"#,
        r#"forecourt_schedule_late_seconds{schedule="pull-bayview"} 0.0"#,
        r#"forecourt_queue_paused{queue="sftp"} 0"#,
        r#"forecourt_workers_alive 0"#,
        "# EOF",
    ] {
        assert!(told.lines().any(|got| got == line), "no {line} in\n{told}");
    }
    let (status, own) = text(&format!("http://{watched}/metrics"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        own.contains("forecourt_job_duration_seconds_count")
            && !own.contains("forecourt_queue_jobs"),
        "{own}"
    );
    assert_eq!(
        text(&format!("http://{watched}/health/ready"), None)
            .await
            .0,
        StatusCode::OK
    );
    assert_eq!(
        text(&format!("http://{watched}/v2/listings"), None).await.0,
        StatusCode::NOT_FOUND
    );

    // Every name that a rule or a panel asks for is one that is told.
    let names: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let deploy = "../../deploy";
    for file in ["prometheus/alerts.yaml", "grafana/forecourt.json"] {
        let text = std::fs::read_to_string(format!("{deploy}/{file}")).unwrap();
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let asked: BTreeSet<&str> = text
            .split(word)
            .filter(|w| w.starts_with("forecourt_"))
            .collect();
        assert!(asked.len() > 5, "{file}");
        for name in asked {
            let base = ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            assert!(
                names.contains(base),
                "{file} asks for {name}, told are {names:?}"
            );
        }
    }
    test.forgive_left_behind();
    stop.cancel();
}
