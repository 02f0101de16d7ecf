//! The console as operators use it, in a browser; and as nobody should be able to use it, without one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;

use api::{Api, CONSOLE_ROUTES, IndexTailer};
use browser::Window;
use jobs::testing::TestApp;
use jobs::{DeliverAlert, PullSource};
use queue::{Engine, Enqueue, Lane, Partner, QueueName};
use reqwest::{Client, StatusCode, redirect};
use std::sync::Arc;
use std::time::Duration;
use stores::{Dealers, Keys, Overlap, Schedules, Scope};
use tokio_util::sync::CancellationToken;

struct Served {
    test: TestApp,
    url: String,
    stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve() -> Served {
    let test = TestApp::start().await;
    let api = Api {
        app: test.app.clone(),
        catalogue: test.catalogue.clone(),
        search: Arc::new(IndexTailer::default()),
        workers: None,
    };
    let stop = CancellationToken::new();
    let (address, _) = api::serve(api, ([127, 0, 0, 1], 0).into(), stop.clone())
        .await
        .unwrap();
    Served {
        test,
        url: format!("http://{address}"),
        stop,
    }
}

impl Served {
    async fn key(&self, scope: Scope) -> String {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        Keys::create(&mut conn, "jane", scope).await.unwrap()
    }

    async fn operator(&self) -> Window {
        let window = Window::open(&self.url).await;
        window.log_in(&self.key(Scope::Operate).await).await;
        window
    }

    async fn enqueue(&self, orders: &[Enqueue]) -> Vec<i64> {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        let engine = &self.test.app.engine;
        let jobs = engine.enqueue(&mut conn, orders).await.unwrap();
        jobs.iter().map(|job| job.id).collect()
    }

    async fn execute(&self, sql: &'static str) {
        stores::execute_for_tests(&self.test.app.pool, sql)
            .await
            .unwrap();
    }

    /// Units of bayview's, handed in: one that its VIN contradicts, in a colour nobody knows, and the same once more.
    async fn stocked(&mut self, price: &str) -> i64 {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        let dealer = Dealers::find(&mut conn, "bayview").await.unwrap().unwrap();
        drop(conn);
        let row = |number: &str, price: &str| {
            format!("{number},1HGCM82633A004352,2003,Toyota,Accord,Octarine,{price}\n")
        };
        let text = format!(
            "Stock,VIN,Year,Make,Model,Color,Price\n{}{}",
            row("B1", price),
            row("B2", "8800")
        );
        let file = self
            .test
            .handed_in("vehicles", Some(dealer.id), false, text.as_bytes())
            .await;
        let load = self.test.stepper.perform(&jobs::LoadFile { file }).await;
        assert_eq!(load.unwrap().outcome.word(), "done");
        self.test.run_all().await;
        file
    }

    /// A schedule that pulls the source at two.
    async fn nightly(&self) {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        let args = serde_json::json!({ "source": "bayview" });
        let (cron, kind) = ("0 2 * * *", "pull_source");
        Schedules::ensure(&mut conn, "pull-bayview", cron, "UTC", kind, &args)
            .await
            .unwrap();
    }

    /// A worker that is alive until the test ends, as far as anybody can see.
    async fn worker(&self) {
        let engine = self.test.app.engine.clone();
        engine.renew("tester", &QueueName::ALL, &[]).await.unwrap();
        let stop = self.stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let mut beat = tokio::time::interval(Duration::from_secs(2));
            loop {
                beat.tick().await;
                if engine.renew("tester", &QueueName::ALL, &[]).await.is_err() {
                    return;
                }
            }
        }));
    }
}

fn pull() -> Enqueue {
    Enqueue::of(&PullSource {
        source: "bayview".to_owned(),
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_is_found_by_an_argument_read_retried_and_seen_done() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    // The host has another key than the pinned one: nobody may send it a password.
    served
        .execute("UPDATE sources SET host_key = 'SHA256:another'")
        .await;
    let id = served.enqueue(&[pull()]).await[0];
    served.test.run_all().await;
    let window = served.operator().await;

    window.press("Jobs").await;
    window.until("all of the filter").await;
    window.fill("input[name=args]", "source=bayview").await;
    window.press("Filter").await;
    window.until("host key").await;
    let address: String = window.ask("location.search").await;
    assert!(address.contains("args=source%3Dbayview"), "{address}");
    window.press(&id.to_string()).await;
    let text = window.until("How it ended").await;
    assert!(
        text.contains("it is dead") && text.contains("host key"),
        "{text}"
    );

    let right = served.test.sftp.fingerprint.clone();
    assert!(right.starts_with("SHA256:"));
    served.test.source("bayview", "homenet").await;
    window.press("Retry").await;
    window.until("retried").await;
    served.test.run_all().await;
    window.go(&format!("/console/jobs/{id}")).await;
    let text = window.until("it is done").await;
    assert!(text.contains("retried by jane"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_is_what_a_job_says_it_waits_for() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    served.worker().await;
    let id = served.enqueue(&[pull()]).await[0];
    let window = served.operator().await;
    window.go("/console/queues").await;
    window.press("Pause").await;
    window.until("Queue sftp is paused").await;
    window.go(&format!("/console/jobs/{id}")).await;
    let text = window.until("queue sftp is paused by jane").await;
    assert!(
        text.contains("Not before somebody does something"),
        "{text}"
    );
    window.go("/console/queues").await;
    window.press("Resume").await;
    window.until("goes on").await;
    window.go(&format!("/console/jobs/{id}")).await;
    window.until("0 jobs are before it").await;
    served.test.run_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_isolated_probed_and_closes_by_itself() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    served.worker().await;
    served.enqueue(&[pull()]).await;
    served.test.run_all().await;
    let window = served.operator().await;
    window.go("/console/partners").await;
    window.press("sftp bayview").await;
    window.press("Isolate").await;
    window.until("isolated by hand").await;
    let id = served.enqueue(&[pull()]).await[0];
    assert!(served.test.run_all().await.is_empty());
    window.go(&format!("/console/jobs/{id}")).await;
    window.until("partner sftp bayview is isolated").await;
    window.go("/console/partners/sftp%20bayview").await;
    window.press("Probe now").await;
    window.until("The next call probes it").await;
    assert_eq!(served.test.run_all().await.len(), 1);
    window.go("/console/partners/sftp%20bayview").await;
    window.until("the probe was answered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_run_now_and_its_tick_is_there() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    served.nightly().await;
    let window = served.operator().await;
    window.press("Schedules").await;
    window.press("pull-bayview").await;
    window.until("It has not fired yet").await;
    window.press("Run now").await;
    let text = window.until("Fired: job").await;
    assert!(text.contains("run now by jane"), "{text}");
    assert_eq!(served.test.run_all().await.len(), 1);
    window.press("Pause").await;
    window.until("paused by jane").await;
    let mut conn = served.test.app.pool.acquire().await.unwrap();
    let schedule = Schedules::find(&mut conn, "pull-bayview")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (schedule.paused_by.as_deref(), schedule.overlap),
        (Some("jane"), Overlap::Skip)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_retried_after_a_preview_and_each_says_what_came_of_it() {
    let mut served = serve().await;
    let orders: Vec<Enqueue> = (0..120)
        .map(|alert| {
            Enqueue::of(&DeliverAlert {
                alert: 9_000 + alert,
            })
            .unwrap()
        })
        .collect();
    served.enqueue(&orders).await;
    served.test.run_all().await;
    let window = served.operator().await;
    window
        .go("/console/jobs?state=dead&kind=deliver_alert")
        .await;
    window.until("there is no alert").await;
    let _: bool = window
        .ask(
            "(() => { document.querySelector('input[name=whole]').checked = true; return true })()",
        )
        .await;
    window.press("Preview").await;
    let text = window.until("Nothing is done yet").await;
    assert!(text.contains("retry 120 jobs"), "{text}");
    window.press("Do it").await;
    window.until("Under way: retry on 120 jobs").await;
    // One of them goes on by itself before its turn.
    served.execute("DELETE FROM jobs_history WHERE id = (SELECT max(id) FROM jobs_history WHERE kind = 'deliver_alert')").await;
    served.test.run_all().await;
    let address: String = window.ask("location.pathname").await;
    window.go(&address).await;
    window.until("119 done, 0 skipped, of 120").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_kept_fresh_while_it_is_seen() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    let window = served.operator().await;
    window.go("/console/runs").await;
    window.until("Nothing has run yet").await;
    let mut conn = served.test.app.pool.acquire().await.unwrap();
    queue::Runs::begin(&mut conn, "api key test", "a run that comes later")
        .await
        .unwrap();
    drop(conn);
    // Nobody loads the page again.
    window.until("a run that comes later").await;
    served.test.forgive_left_behind();
}

const PAGES: [&str; 20] = [
    "/console/",
    "/console/jobs",
    "/console/jobs?state=dead",
    "/console/jobs/1",
    "/console/queues",
    "/console/runs",
    "/console/runs/1",
    "/console/schedules",
    "/console/schedules/pull-bayview",
    "/console/partners",
    "/console/partners/sftp%20bayview",
    "/console/workers",
    "/console/stock?number=b1",
    "/console/units/1",
    "/console/stock/aging",
    "/console/stock/drops",
    "/console/stock/contradictions",
    "/console/stock/unknown",
    "/console/stock/doubles",
    "/console/stock/photos",
];

/// Something of everything.
async fn furnished() -> Served {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    let bad = b"Make,Model\nFord,F-150\n";
    served.test.dropped("bayview", "bad.csv", bad);
    served.worker().await;
    served.nightly().await;
    let mut conn = served.test.app.pool.acquire().await.unwrap();
    let schedule = Schedules::find(&mut conn, "pull-bayview")
        .await
        .unwrap()
        .unwrap();
    drop(conn);
    jobs::loops::fire(&served.test.app, &schedule, "a test")
        .await
        .unwrap();
    served.test.run_all().await;
    served.stocked("9500").await;
    served
        .enqueue(&[Enqueue::of(&DeliverAlert { alert: 9_000 }).unwrap()])
        .await;
    served.test.run_all().await;
    let mut conn = served.test.app.pool.acquire().await.unwrap();
    stores::Alerts::raise(
        &mut conn,
        "file_held",
        "critical",
        "bayview",
        "40 % would go",
    )
    .await
    .unwrap();
    drop(conn);
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_a_serious_accessibility_problem() {
    let served = furnished().await;
    let window = served.operator().await;
    for path in PAGES.into_iter().chain(["/console/login"]) {
        window.go(path).await;
        let _: bool = window
            .ask(&format!("{}; true", include_str!("browser/axe.min.js")))
            .await;
        let found: Vec<String> = window
            .ask("axe.run().then((r) => r.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
                  .map((v) => v.id + ': ' + v.nodes.map((n) => n.html).slice(0, 3).join(' | ')))")
            .await;
        assert!(found.is_empty(), "{path}: {found:#?}");
    }
}

fn client() -> Client {
    Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap()
}

async fn cookie(served: &Served, key: &str) -> String {
    let url = format!("{}/console/login", served.url);
    let body = format!("key={key}");
    let answer = client().post(url).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

/// Everything a console could change.
async fn state(served: &Served) -> String {
    let mut conn = served.test.app.pool.acquire().await.unwrap();
    let lanes = Lane::list(&mut conn, None).await.unwrap();
    let lanes: Vec<_> = lanes
        .iter()
        .map(|l| (&l.queue, &l.paused_by, &l.limits))
        .collect();
    let partners = Partner::list(&mut conn).await.unwrap();
    let partners: Vec<_> = partners
        .iter()
        .map(|p| (&p.name, p.state, p.max_running))
        .collect();
    let schedules = Schedules::list(&mut conn).await.unwrap();
    let schedules: Vec<_> = schedules.iter().map(|s| (&s.key, &s.paused_by)).collect();
    let ticks = Schedules::ticks(&mut conn, "pull-bayview", 100)
        .await
        .unwrap()
        .len();
    let jobs = queue::Jobs::list(&mut conn, &queue::JobFilter::default(), None, 100)
        .await
        .unwrap();
    let jobs: Vec<_> = jobs.iter().map(|j| (j.id, j.state)).collect();
    let files = stores::Files::list(&mut conn, None, 100).await.unwrap();
    let files: Vec<_> = files.iter().map(|file| file.state).collect();
    let sources = stores::Sources::list(&mut conn).await.unwrap();
    let sources: Vec<_> = sources.iter().map(|source| source.paused).collect();
    let unit = stores::Listings::get(&mut conn, 1).await.unwrap().version;
    let bulks = queue::Bulks::list(&mut conn, 100).await.unwrap().len();
    let audit = stores::Audit::list(&mut conn, 100).await.unwrap().len();
    format!(
        "{lanes:?}{partners:?}{schedules:?}{ticks}{jobs:?}{bulks}{audit}{files:?}{sources:?}{unit}"
    )
}

fn filled(path: &str) -> String {
    path.replace("{queue}", "sftp")
        .replace("{key}", "pull-bayview")
        .replace("{name}", "sftp%20bayview")
        .replace("{source}", "bayview")
        .replace("{mapping}", "homenet")
        .replace("{file}", "1")
        .replace("{list}", "unknown")
        .replace("{unit}", "1")
        .replace("{id}", "1")
}

/// What a form of each place that acts would send.
fn form_of(path: &str) -> &'static str {
    match path {
        "/queues/{queue}" => "action=pause",
        "/schedules/{key}" => "action=run",
        "/partners/{name}" => "action=isolate",
        "/sources/{source}" => "action=pause",
        "/files/{file}" => "action=release",
        "/units/{unit}" => "action=override&field=make&value=Ours",
        _ => "action=retry&whole=1&kind=deliver_alert",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_looks_everywhere_and_changes_nothing() {
    let served = furnished().await;
    let viewer = cookie(&served, &served.key(Scope::Read).await).await;
    let operator = cookie(&served, &served.key(Scope::Operate).await).await;
    let before = state(&served).await;
    let send = async |method: &str, path: &str, cookie: &str, body: String| {
        let url = format!("{}/console{}", served.url, filled(path));
        let request = client().request(method.parse().unwrap(), url);
        request
            .header("cookie", cookie)
            .body(body)
            .send()
            .await
            .unwrap()
    };
    let page = send("GET", "/jobs", &operator, String::new())
        .await
        .text()
        .await
        .unwrap();
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap();
    let csrf = csrf.split('"').next().unwrap().to_owned();
    for (method, path, scope) in CONSOLE_ROUTES {
        let body = format!("csrf={csrf}&{}", form_of(path));
        let seen = send(method, path, &viewer, body.clone()).await;
        let wanted = match (*scope, *path) {
            (_, "/bulk/{id}") => StatusCode::NOT_FOUND,
            (Scope::Read, _) => StatusCode::OK,
            _ => StatusCode::FORBIDDEN,
        };
        assert_eq!(seen.status(), wanted, "{method} {path}");
        let headers = seen.headers().clone();
        assert!(
            headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
        let text = seen.text().await.unwrap();
        assert!(
            !text.contains("style=") && !text.contains("onclick"),
            "{path}"
        );
        assert!(
            !text.contains("method=\"post\" action=\"/console/jobs"),
            "{path} offers what is refused"
        );
        // A stranger comes no further than the door; a page of another site carries no token.
        let stranger = send(method, path, "fc_console=abc.00ff", body).await;
        assert_eq!(
            stranger.headers()["location"],
            "/console/login",
            "{method} {path}"
        );
        if *method == "POST" {
            let foreign = send(method, path, &operator, form_of(path).to_owned()).await;
            assert_eq!(
                foreign.status(),
                StatusCode::FORBIDDEN,
                "{method} {path} without its token"
            );
        }
    }
    assert_eq!(state(&served).await, before);
    // Every way that acts is in the list: the operator's own is let through.
    let done = send(
        "POST",
        "/queues/{queue}",
        &operator,
        format!("csrf={csrf}&action=pause"),
    )
    .await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert_ne!(state(&served).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_file_is_read_and_let_through_and_its_source_paused() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    let bad = b"Make,Model\nFord,F-150\n";
    served.test.dropped("bayview", "bad.csv", bad);
    let window = served.operator().await;
    window.press("Sources").await;
    window.press("Pull now").await;
    window.until("Looking for new files").await;
    served.test.run_all().await;
    window.go("/console/").await;
    window.press("bayview").await;
    let text = window.until("bad.csv").await;
    assert!(
        text.contains("file held") && text.contains("no column is called"),
        "{text}"
    );
    window.press("bad.csv").await;
    window.until("file_missing_column").await;
    window.press("Release").await;
    window.until("Let through: job").await;
    served.test.run_all().await;
    window.go("/console/sources/bayview").await;
    window.press("Pause").await;
    window.until("waits in the drop").await;
    // No pull of it, by a schedule or by hand, until it goes on.
    assert!(served.enqueue(&[pull()]).await[0] > 0);
    let steps = served.test.run_all().await;
    assert_eq!(
        steps[0].outcome.word(),
        "cancelled",
        "{:?}",
        steps[0].outcome
    );
    window.press("Resume").await;
    window.until("It goes on").await;
    let good = b"Type,Stock,VIN,Make\nUsed,A1,1HGCM82633A004352,Honda\n";
    served.test.dropped("bayview", "good.csv", good);
    window.press("Pull now").await;
    window.until("Looking for new files").await;
    served.test.run_all().await;
    window.go("/console/sources/bayview").await;
    window.press("Load the newest file again").await;
    window.until("It is loaded again").await;
    let steps = served.test.run_all().await;
    assert_eq!(
        (steps[0].kind.as_str(), steps[0].outcome.word()),
        ("load_file", "done")
    );
    window.press("homenet").await;
    let text = window.until("Reads the files of bayview.").await;
    assert!(text.contains("to: stock_number"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_found_by_its_number_put_right_and_released() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    served.stocked("9500").await;
    let file = served.stocked("9000").await;
    let window = served.operator().await;
    window.press("Stock").await;
    window.until("The whole lot").await;
    window.fill("input[name=number]", "b1").await;
    window.press("Find").await;
    window.until("Where it stands, and stood").await;
    window.press("B1").await;
    let text = window.until("Whose word each field is").await;
    for word in [
        "Said otherwise",
        "Toyota",
        "Honda",
        "$9000.00",
        "$9500.00",
        "row 1",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let unit: String = window.ask("location.pathname").await;
    window.fill("input[name=value]", "7500.5").await;
    window.fill("select[name=field]", "price_cents").await;
    window.press("Put right").await;
    window.until("is not a whole number").await;
    window.go(&unit).await;
    window.until("Whose word each field is").await;
    window.fill("select[name=field]", "price_cents").await;
    window.fill("input[name=value]", "750000").await;
    window.press("Put right").await;
    let text = window.until("as you say until it is released").await;
    assert!(
        text.contains("operator jane") && text.contains("900000"),
        "{text}"
    );
    window.press("Release").await;
    let text = window.until("the dealer's to say again").await;
    assert!(
        text.contains("$9000.00") && !text.contains("operator jane"),
        "{text}"
    );
    for (list, words) in [
        ("unknown", "Octarine"),
        ("contradictions", "Honda"),
        ("doubles", "bayview B2"),
        ("drops", "$9500.00"),
        ("aging", "bayview"),
    ] {
        window.go(&format!("/console/stock/{list}")).await;
        window.until(words).await;
    }
    window.go(&format!("/console/files/{file}")).await;
    window.until("Refused").await;
    served.test.run_all().await;
}

/// Whatever a dealer's file, an error or an address says is text.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_never_markup() {
    let mut served = serve().await;
    let evil = "<script>document.title='owned'</script>";
    let order = Enqueue::of(&PullSource {
        source: evil.to_owned(),
    })
    .unwrap();
    let id = served.enqueue(&[order]).await[0];
    served.test.run_all().await;
    served.test.source("bayview", "homenet").await;
    served.stocked("9500").await;
    jobs::by_hand::put_right(
        &served.test.app,
        1,
        domain::Field::Make,
        domain::Value::Text(evil.into()),
        evil,
    )
    .await
    .unwrap();
    let text = format!("stock,vin,make\n\"{evil}{evil}\",{evil},{evil}\n");
    let file = served
        .test
        .handed_in("vehicles", None, false, text.as_bytes());
    let load = jobs::LoadFile { file: file.await };
    served.test.stepper.perform(&load).await.unwrap();
    let operator = cookie(&served, &served.key(Scope::Operate).await).await;
    for path in [
        format!("/files/{}", load.file),
        "/sources/upload".to_owned(),
        "/sources/%3Cscript%3E".to_owned(),
        "/units/1".to_owned(),
        "/stock/unknown?dealer=%3Cscript%3E".to_owned(),
        "/stock/contradictions".to_owned(),
        "/stock?number=%22%3E%3Cscript%3E".to_owned(),
        "/stock/%3Cscript%3E".to_owned(),
        "/jobs".to_owned(),
        format!("/jobs/{id}"),
        "/jobs?args=%22%3E%3Cscript%3E".to_owned(),
        "/jobs?words=%3Cscript%3E&said=%3Cscript%3E".to_owned(),
        "/partners/%3Cscript%3E".to_owned(),
    ] {
        let url = format!("{}/console{path}", served.url);
        let text = client()
            .get(url)
            .header("cookie", &operator)
            .send()
            .await
            .unwrap();
        let text = text.text().await.unwrap();
        assert!(
            !text
                .to_lowercase()
                .replace("<script src=\"/console/console.js\" defer>", "")
                .contains("<script"),
            "{path}"
        );
    }
    served.test.run_all().await;
}
