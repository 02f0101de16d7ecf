//! The API over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use api::{Api, IndexTailer};
use jobs::testing::TestApp;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use stores::{Keys, Scope};
use tokio_util::sync::CancellationToken;

struct Served {
    test: TestApp,
    api: Api,
    url: String,
    client: reqwest::Client,
    stop: CancellationToken,
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
    let (address, _) = api::serve(api.clone(), ([127, 0, 0, 1], 0).into(), stop.clone())
        .await
        .unwrap();
    Served {
        test,
        api,
        url: format!("http://{address}"),
        client: reqwest::Client::new(),
        stop,
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Served {
    async fn key(&self, scope: Scope) -> String {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        Keys::create(&mut conn, "test", scope).await.unwrap()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<(&str, String)>,
    ) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, key: &str) -> Value {
        let response = self.send(Method::GET, path, Some(key), None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// Brings search up to what the database has.
    async fn index(&mut self) {
        self.test.follow_changes().await;
        if !self.api.search.ready() {
            self.api.search.load(&self.test.app.pool).await.unwrap();
        }
        while self.api.search.follow(&self.test.app.pool).await.unwrap() {}
    }
}

async fn problem(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16());
    assert!(
        body["code"].is_string() && body["detail"].is_string(),
        "{body}"
    );
    (status, body)
}

/// Every operation of both documents, by path and method.
fn operations(api: &Api) -> Vec<(Method, String, String)> {
    let mut all = Vec::new();
    for (name, text) in api::documents(api) {
        let document: Value = serde_json::from_str(&text).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let version = name.trim_end_matches(".json");
                let path = format!("/{version}{path}");
                let path = path
                    .split('{')
                    .map(|part| {
                        part.split_once('}')
                            .map_or(part.to_owned(), |(_, rest)| format!("1{rest}"))
                    })
                    .collect::<String>();
                let id = operation["operationId"].as_str().unwrap().to_owned();
                all.push((method.to_uppercase().parse().unwrap(), path, id));
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_but_search_wants_a_key_with_its_scope() {
    let served = serve().await;
    let weak = served.key(Scope::Search).await;
    let reader = served.key(Scope::Read).await;
    let operations = operations(&served.api);
    assert!(operations.len() >= 17, "{operations:?}");
    for (method, path, id) in operations
        .into_iter()
        .filter(|(_, _, id)| id != "search_stock")
    {
        let path = format!("{path}?dealer=x&number=1")
            .replace("/vehicles/1", "/vehicles/1HGCM82633A004352");
        let body = match id.as_str() {
            "put_listings" => Some(("application/x-ndjson", String::new())),
            "enqueue_job" => Some((
                "application/json",
                json!({ "kind": "x", "args": {} }).to_string(),
            )),
            _ if method == Method::GET => None,
            "preview_bulk_action" | "start_bulk_action" => Some((
                "application/json",
                json!({ "action": { "action": "cancel" }, "filter": { "kind": "x" } }).to_string(),
            )),
            "set_breaker" => Some(("application/json", json!({ "action": "probe" }).to_string())),
            "override_field" => Some(("application/json", json!({ "value": 1 }).to_string())),
            "pause_source" => Some(("application/json", json!({ "paused": true }).to_string())),
            "put_source" => Some((
                "application/json",
                json!({ "dealer": "x", "mapping": "y" }).to_string(),
            )),
            "put_provider" => Some((
                "application/json",
                json!({ "kind": "x", "url": "y" }).to_string(),
            )),
            "put_mapping" => Some(("application/json", json!({ "yaml": "x" }).to_string())),
            "revert_mapping" => Some(("application/json", json!({ "version": 1 }).to_string())),
            "decode_vins" => Some(("application/json", json!({ "vins": ["x"] }).to_string())),
            "backfill_schedule" => Some((
                "application/json",
                json!({ "from": "x", "to": "y" }).to_string(),
            )),
            _ => Some(("application/json", "{}".to_owned())),
        };
        for key in [None, Some("fc_guess")] {
            let (status, body) =
                problem(served.send(method.clone(), &path, key, body.clone()).await).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
                "{id}"
            );
        }
        let (status, _) = problem(
            served
                .send(method.clone(), &path, Some(&weak), body.clone())
                .await,
        )
        .await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{id}");
        // A question too long for an address changes nothing.
        if method != Method::GET && id != "decode_vins" {
            let (status, _) = problem(served.send(method, &path, Some(&reader), body).await).await;
            assert_eq!(
                status,
                StatusCode::FORBIDDEN,
                "{id} changes something, reading is not enough"
            );
        }
    }
}

const LINES: &str = r#"{"kind":"vehicle","stock_number":"A1","vin":"1FTEW1EG2JFD44217","make":"Ford","model":"F-150","trim":"Lariat","price_cents":4998500,"odometer_km":52994,"drivetrain":"4WD"}
{"kind":"vehicle","stock_number":"A2","make":"Toyota","model":"Sienna","price_cents":3999800}
{"kind":"vehicle","stock_number":"A3","vin":"not a vin"}
{"kind":"spaceship","stock_number":"A4"}
{"kind":"equipment","stock_number":"E1","make":"Caterpillar","model":"320D","hours":4412}
"#;

async fn stocked() -> (Served, String) {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    let key = served.key(Scope::Operate).await;
    let body = Some(("application/x-ndjson", LINES.to_owned()));
    let put = served
        .send(Method::PUT, "/v2/listings?dealer=bayview", Some(&key), body)
        .await;
    assert_eq!(put.status(), StatusCode::OK);
    let report: Value = put.json().await.unwrap();
    assert_eq!(report["created"], 3, "{report}");
    let lines: Vec<&Value> = report["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["line"])
        .collect();
    assert_eq!(lines, [&json!(3), &json!(4)]);
    served.test.run_all().await;
    served.index().await;
    (served, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_is_got_listed_and_found() {
    let (served, key) = stocked().await;
    let page = served.get("/v2/listings?kind=vehicle&limit=1", &key).await;
    let first = &page["listings"][0];
    assert_eq!(
        (&first["stock_number"], &first["price"]["cents"]),
        (&json!("A1"), &json!(4_998_500))
    );
    assert_eq!(first["odometer"], json!({ "value": 32_929, "unit": "mi" }));
    let rest = served
        .get(
            &format!("/v2/listings?kind=vehicle&after={}", page["next"]),
            &key,
        )
        .await;
    assert_eq!(
        (rest["listings"].as_array().unwrap().len(), &rest["next"]),
        (1, &Value::Null)
    );
    let one = served
        .get(&format!("/v2/listings/{}", first["id"]), &key)
        .await;
    assert_eq!(one["provenance"]["make"]["source"], "api");
    assert_eq!(one["provenance"]["year"]["source"], "vin");
    let flat = served.get("/v1/vehicles/1FTEW1EG2JFD44217", &key).await;
    assert_eq!(
        (&flat["price"], &flat["miles"], &flat["dealer"]),
        (&json!(49_985.0), &json!(32_929), &json!("bayview"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn search_is_open_counts_right_and_follows_changes() {
    let (mut served, key) = stocked().await;
    let search = async |served: &Served, query: &str| -> Value {
        let response = served
            .send(Method::GET, &format!("/v2/search/{query}"), None, None)
            .await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        response.json().await.unwrap()
    };
    let found = search(
        &served,
        "vehicles?q=f150+lariat&drivetrain=4wd&facets=make,drivetrain",
    )
    .await;
    assert_eq!(
        (&found["total"], &found["listings"][0]["stock_number"]),
        (&json!(1), &json!("A1"))
    );
    let makes = search(&served, "vehicles?make=Ford&facets=make&sort=price_cents").await;
    assert_eq!(makes["total"], 1);
    assert_eq!(
        makes["facets"]["make"],
        json!([{ "value": "Ford", "count": 1 }, { "value": "Toyota", "count": 1 }])
    );
    assert_eq!(
        search(&served, "equipment?hours_range=4000-").await["total"],
        1
    );
    let page = search(&served, "vehicles?sort=price_cents:desc&limit=1").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(
        search(
            &served,
            &format!("vehicles?sort=price_cents:desc&limit=1&after={next}")
        )
        .await["listings"][0]["stock_number"],
        "A2"
    );

    let line = LINES.lines().next().unwrap().replace("Lariat", "Raptor");
    served
        .send(
            Method::PUT,
            "/v2/listings?dealer=bayview",
            Some(&key),
            Some(("application/x-ndjson", line)),
        )
        .await;
    served.index().await;
    assert_eq!(search(&served, "vehicles?q=lariat").await["total"], 0);
    assert_eq!(search(&served, "vehicles?q=raptor").await["total"], 1);
    let mut served = served;
    served.test.run_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_says_what_its_money_is_in_and_search_tells_them_apart() {
    let (mut served, key) = stocked().await;
    let line = |number: &str, more: &str| {
        format!(
            "{{\"kind\":\"vehicle\",\"stock_number\":\"{number}\",\"make\":\"Volvo\",{more}}}\n"
        )
    };
    let lines = [
        line("C1", "\"price_cents\":3100000,\"currency\":\"CAD\""),
        line("C2", "\"price_cents\":3100000,\"currency\":\"JPY\""),
        line("C3", "\"price_cents\":-5"),
        line("C4", "\"year\":99999"),
        line("C5", "\"price\":{\"cents\":100,\"currency\":\"EUR\"}"),
        line("C6", "\"owners\":1"),
    ];
    let body = Some(("application/x-ndjson", lines.concat()));
    let put = served
        .send(Method::PUT, "/v2/listings?dealer=bayview", Some(&key), body)
        .await;
    let report: Value = put.json().await.unwrap();
    assert_eq!(report["created"], 1, "{report}");
    let words = [
        "no currency we keep",
        "price_cents: -5",
        "year: 99999 is not between",
        "price: no field of a unit is called so",
        "owners: only providers say it",
    ];
    for (place, word) in words.iter().enumerate() {
        let told = report["rejected"][place]["problem"].as_str().unwrap();
        assert!(told.contains(word), "{told}");
    }
    served.test.run_all().await;
    served.index().await;
    let found = served
        .get(
            "/v2/search/vehicles?currency=CAD&facets=currency,make",
            &key,
        )
        .await;
    assert_eq!(found["total"], 1, "{found}");
    let price = json!({ "cents": 3_100_000, "currency": "CAD" });
    assert_eq!(found["listings"][0]["price"], price);
    // A picked facet counts what else could be picked.
    let counted = found["facets"]["currency"].to_string();
    assert!(
        counted.contains("USD") && counted.contains("CAD"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_problems_that_name_the_thing() {
    let mut served = serve().await;
    let key = served.key(Scope::Admin).await;
    let (status, body) = problem(
        served
            .send(Method::GET, "/v2/search/vehicles", None, None)
            .await,
    )
    .await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("not_ready"))
    );
    served.index().await;
    let cases = [
        ("/v2/search/boats", 404, "boats"),
        ("/v2/search/vehicles?price_cents_range=cheap", 400, "cheap"),
        ("/v2/search/vehicles?sort=beauty", 400, "beauty"),
        ("/v2/search/vehicles?facets=smell", 400, "smell"),
        ("/v2/search/vehicles?after=nowhere", 400, "nowhere"),
        ("/v2/search/vehicles?limit=many", 400, "limit"),
        ("/v2/listings/999999", 404, "999999"),
        ("/v2/listings?kind=boat", 400, "boat"),
        ("/v2/jobs/999999", 404, "999999"),
        ("/v2/jobs?state=lost", 400, "lost"),
        ("/v2/feeds/none/download", 404, "none"),
        ("/v2/sources/none/files", 404, "none"),
        ("/v1/vehicles/1HGCM8263OA004352", 400, "position 10"),
        ("/v2/nothing", 404, "not found"),
    ];
    for (path, status, word) in cases {
        let (got, body) = problem(served.send(Method::GET, path, Some(&key), None).await).await;
        assert_eq!(got.as_u16(), status, "{path}: {body}");
        assert!(
            body["detail"].as_str().unwrap().contains(word),
            "{path}: {body}"
        );
    }
    let job = |kind: &str, args: Value| {
        Some((
            "application/json",
            json!({ "kind": kind, "args": args }).to_string(),
        ))
    };
    let (status, _) = problem(
        served
            .send(Method::POST, "/v2/jobs", Some(&key), job("fly", json!({})))
            .await,
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, body) = problem(
        served
            .send(
                Method::POST,
                "/v2/jobs",
                Some(&key),
                job("load_file", json!({})),
            )
            .await,
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["detail"].as_str().unwrap().contains("file"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_is_accepted_and_can_be_watched() {
    let mut served = serve().await;
    served.test.source("bayview", "homenet").await;
    served
        .test
        .dropped("bayview", "bad.csv", b"Make,Model\nFord,F-150\n");
    let key = served.key(Scope::Operate).await;
    let pull = served
        .send(Method::POST, "/v2/sources/bayview/pulls", Some(&key), None)
        .await;
    assert_eq!(pull.status(), StatusCode::ACCEPTED);
    let place = pull.headers()["location"].to_str().unwrap().to_owned();
    let accepted: Value = pull.json().await.unwrap();
    let again: Value = served
        .send(Method::POST, "/v2/sources/bayview/pulls", Some(&key), None)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&again["id"], &again["existing"]),
        (&accepted["id"], &json!(true))
    );
    assert_eq!(served.get(&place, &key).await["state"], "ready");
    served.test.run_all().await;
    let job = served.get(&place, &key).await;
    assert_eq!(
        (&job["state"], &job["report"]["new"]),
        (&json!("done"), &json!(1))
    );
    let run = served
        .get(&format!("/v2/jobs?run_id={}", job["run_id"]), &key)
        .await;
    assert_eq!(run["jobs"].as_array().unwrap().len(), 2);

    let files = served.get("/v2/sources/bayview/files", &key).await;
    assert_eq!(files[0]["state"], "held");
    let rejects = served
        .send(
            Method::GET,
            &format!("/v2/files/{}/rejects", files[0]["id"]),
            Some(&key),
            None,
        )
        .await;
    assert!(
        rejects
            .text()
            .await
            .unwrap()
            .contains("file_missing_column")
    );
    let release = format!("/v2/files/{}/release", files[0]["id"]);
    assert_eq!(
        served
            .send(Method::POST, &release, Some(&key), None)
            .await
            .status(),
        StatusCode::ACCEPTED
    );
    let (status, _) = problem(served.send(Method::POST, &release, Some(&key), None).await).await;
    assert_eq!(status, StatusCode::CONFLICT);
    served.test.run_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_built_and_downloaded() {
    let (mut served, key) = stocked().await;
    let (name, text) = feeds::BUILT_IN[0];
    let definition = serde_json::to_value(feeds::Definition::parse(text).unwrap()).unwrap();
    stores::Feeds::put(
        &mut served.test.app.pool.acquire().await.unwrap(),
        name,
        name,
        &definition,
    )
    .await
    .unwrap();
    let built = served
        .send(
            Method::POST,
            &format!("/v2/feeds/{name}/runs"),
            Some(&key),
            None,
        )
        .await;
    assert_eq!(built.status(), StatusCode::ACCEPTED);
    served.test.run_all().await;
    let feed = &served.get("/v2/feeds", &key).await[0];
    assert_eq!(
        (&feed["latest"]["state"], &feed["latest"]["excluded"]),
        (&json!("published"), &json!(2))
    );
    let left_out = served
        .get(
            &format!("/v2/feed-runs/{}/exclusions", feed["latest"]["id"]),
            &key,
        )
        .await;
    assert!(
        left_out[0]["reasons"]
            .as_array()
            .unwrap()
            .contains(&json!("photo_missing")),
        "{left_out}"
    );
    let download = served
        .send(
            Method::GET,
            &format!("/v2/feeds/{name}/download"),
            Some(&key),
            None,
        )
        .await;
    assert!(
        download
            .text()
            .await
            .unwrap()
            .starts_with("google_product_category\tid\tVIN\t")
    );
    let runs = served.get(&format!("/v2/feeds/{name}/runs"), &key).await;
    assert_eq!(runs.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_turns_red_with_object_storage_and_says_so() {
    let mut served = serve().await;
    served.index().await;
    let ready = served.send(Method::GET, "/health/ready", None, None).await;
    assert_eq!(ready.status(), StatusCode::OK);
    assert_eq!(
        served
            .send(Method::GET, "/health/live", None, None)
            .await
            .status(),
        StatusCode::OK
    );
    drop(served.test.objects.take());
    // A request that is under way may still be answered.
    let mut ready = served.send(Method::GET, "/health/ready", None, None).await;
    for _ in 0..100 {
        if ready.status() != StatusCode::OK {
            break;
        }
        ready = served.send(Method::GET, "/health/ready", None, None).await;
    }
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = ready.json().await.unwrap();
    assert!(
        body["problems"][0]
            .as_str()
            .unwrap()
            .contains("object storage"),
        "{body}"
    );
}

/// What an operator does shows, takes effect, and says who did it.
#[tokio::test(flavor = "multi_thread")]
async fn operators_steer_queues_partners_schedules_and_jobs() {
    let served = serve().await;
    let key = served.key(Scope::Operate).await;
    stores::execute_for_tests(
        &served.test.app.pool,
        "INSERT INTO partners (name) VALUES ('vpic');
         INSERT INTO lanes (queue, partner) VALUES ('lookups', 'vpic');
         INSERT INTO schedules (key, cron, time_zone, kind, args, ticked_to)
             VALUES ('sweep', '0 * * * *', 'UTC', 'prune_history', '{}', now() - interval '3 hours')",
    )
    .await
    .unwrap();
    let send = async |method: Method, path: &str, body: Value| {
        let body = Some(("application/json", body.to_string()));
        let body = body.filter(|_| method != Method::GET);
        let answer = served.send(method, path, Some(&key), body).await;
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let isolate = json!({ "action": "isolate", "why": "moving house" });
    let (status, partner) = send(Method::POST, "/v2/partners/vpic/breaker", isolate).await;
    assert_eq!((status, &partner["state"]), (200, &json!("isolated")));
    let (_, lanes) = send(Method::GET, "/v2/queues", json!({})).await;
    let reason = lanes[0]["reason"].as_str().unwrap();
    assert!(reason.contains("moving house"), "{lanes}");
    send(
        Method::POST,
        "/v2/partners/vpic/breaker",
        json!({ "action": "close" }),
    )
    .await;
    let (_, events) = send(Method::GET, "/v2/partners/vpic/events", json!({})).await;
    assert_eq!(events.as_array().unwrap().len(), 2);
    assert!(events[0]["who"].is_string(), "{events}");
    let (status, _) = send(
        Method::POST,
        "/v2/partners/vpic/breaker",
        json!({ "action": "probe" }),
    )
    .await;
    assert_eq!(status, 400, "a closed breaker is not probed");
    let (status, _) = send(
        Method::PUT,
        "/v2/partners/vpic/limits",
        json!({ "calls_per_second": -1.0 }),
    )
    .await;
    assert_eq!(status, 400);
    let (status, _) = send(Method::PUT, "/v2/partners/nobody/limits", json!({})).await;
    assert_eq!(status, 404);

    let (_, lanes) = send(
        Method::PATCH,
        "/v2/queues/lookups",
        json!({ "paused": true }),
    )
    .await;
    assert!(
        lanes
            .as_array()
            .unwrap()
            .iter()
            .all(|lane| lane["open"] == false),
        "{lanes}"
    );
    send(
        Method::PATCH,
        "/v2/queues/lookups",
        json!({ "paused": false }),
    )
    .await;

    let (status, problem) = send(
        Method::PATCH,
        "/v2/schedules/sweep",
        json!({ "cron": "0 0 30 2 *" }),
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        problem["detail"].as_str().unwrap().contains("never fires"),
        "{problem}"
    );
    let zone = json!({ "time_zone": "Mars/Olympus" });
    assert_eq!(
        send(Method::PATCH, "/v2/schedules/sweep", zone).await.0,
        400
    );
    let (_, changed) = send(
        Method::PATCH,
        "/v2/schedules/sweep",
        json!({ "overlap": "allow", "paused": true }),
    )
    .await;
    assert_eq!(changed["overlap"], "allow");
    assert!(changed["paused_by"].is_string(), "{changed}");
    let range = json!({ "from": "2026-01-01T00:30:00Z", "to": "2026-01-01T03:30:00Z" });
    let (_, filled) = send(Method::POST, "/v2/schedules/sweep/backfills", range).await;
    assert_eq!(filled["jobs"].as_array().unwrap().len(), 3, "{filled}");
    let (_, ticks) = send(Method::GET, "/v2/schedules/sweep/ticks", json!({})).await;
    assert_eq!(ticks.as_array().unwrap().len(), 3);

    let job = filled["jobs"][0].as_i64().unwrap();
    let (status, cancelled) =
        send(Method::POST, &format!("/v2/jobs/{job}/cancel"), json!({})).await;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    assert_eq!(
        send(Method::POST, &format!("/v2/jobs/{job}/cancel"), json!({}))
            .await
            .0,
        400
    );
    assert_eq!(
        send(Method::GET, &format!("/v2/jobs/{job}/logs"), json!({}))
            .await
            .1,
        json!([])
    );
    let audit = stores::Audit::list(&mut served.test.app.pool.acquire().await.unwrap(), 50)
        .await
        .unwrap();
    assert!(audit.len() >= 6 && audit[0].action == "cancel", "{audit:?}");
    let mut served = served;
    served.test.forgive_left_behind();
}
