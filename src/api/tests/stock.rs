//! A dealer and his drop by the API alone, and what the reports say of his stock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use api::{Api, IndexTailer};
use jobs::PullSource;
use jobs::testing::TestApp;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use stores::{Keys, Scope};
use tokio_util::sync::CancellationToken;

struct Served {
    test: TestApp,
    url: String,
    key: String,
}

async fn serve() -> Served {
    let test = TestApp::start().await;
    std::fs::create_dir_all(test.root.join("drop/bayview")).unwrap();
    let api = Api {
        app: test.app.clone(),
        catalogue: test.catalogue.clone(),
        search: Arc::new(IndexTailer::default()),
        workers: None,
    };
    let (address, _) = api::serve(api, ([127, 0, 0, 1], 0).into(), CancellationToken::new())
        .await
        .unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    let key = Keys::create(&mut conn, "jane", Scope::Admin).await.unwrap();
    drop(conn);
    Served {
        test,
        url: format!("http://{address}/v2"),
        key,
    }
}

impl Served {
    async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Client::new().request(Method::PUT, format!("{}{path}", self.url));
        let answer = request
            .bearer_auth(&self.key)
            .json(&body)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Client::new().post(format!("{}{path}", self.url));
        let answer = request
            .bearer_auth(&self.key)
            .json(&body)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let request = Client::new().get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(&self.key).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    async fn refused(&self, path: &str) -> StatusCode {
        let request = Client::new().get(format!("{}{path}", self.url));
        request
            .bearer_auth(&self.key)
            .send()
            .await
            .unwrap()
            .status()
    }

    fn source(&self) -> Value {
        json!({
            "dealer": "bayview", "mapping": "vehicles", "host": "127.0.0.1", "port": self.test.sftp.port,
            "username": "dealer", "password": "hunter2", "folder": "/bayview", "settle": "at_once",
        })
    }

    async fn night(&mut self, name: &str, rows: &str) {
        let text = format!("stock,vin,price,date in stock\n{rows}");
        self.test.dropped("bayview", name, text.as_bytes());
        let source = "bayview".to_owned();
        self.test
            .stepper
            .perform(&PullSource { source })
            .await
            .unwrap();
        self.test.run_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dealer_and_his_drop_are_made_and_his_stock_is_reported() {
    let mut served = serve().await;
    let rooftop =
        json!({ "name": "Bayview", "time_zone": "America/Los_Angeles", "group_name": "north" });
    let (status, made) = served.put("/dealers/bayview", rooftop).await;
    assert_eq!((status, &made["country"]), (StatusCode::OK, &json!("US")));
    assert_eq!(served.get("/dealers").await[0]["group_name"], "north");
    let (status, made) = served.put("/sources/bayview", served.source()).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!(made["host_key"], served.test.sftp.fingerprint);
    assert_eq!(made["time_zone"], "America/Los_Angeles");
    // Changed without its secret: that stays, and so does the key.
    let mut changed = served.source();
    changed.as_object_mut().unwrap().remove("password");
    changed["grace_files"] = json!(2);
    assert_eq!(
        served.put("/sources/bayview", changed).await.0,
        StatusCode::OK
    );
    assert_eq!(served.get("/sources").await[0]["grace_files"], 2);

    let (status, problem) = served.post("/sources/bayview/reloads", json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().unwrap().contains("no file yet"));

    let [a, b] = ["1HGCM82633A004352", "5TDXZ3DC2KS015402"];
    served
        .night(
            "1.csv",
            &format!("1,{a},10000,2020-01-01\n2,{b},10000,\n3,{b},9000,\n"),
        )
        .await;
    served
        .night(
            "2.csv",
            &format!("1,{a},9000,2020-01-01\n2,{b},9900,\n3,{b},9500,\n"),
        )
        .await;
    let aging = served.get("/reports/aging").await;
    assert_eq!(
        (&aging[0]["units"], &aging[0]["to_30"], &aging[0]["older"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let drops = served.get("/reports/price-drops").await;
    let fell: Vec<&Value> = drops
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["stock_number"])
        .collect();
    assert_eq!(fell, ["1", "2"]);
    let large = served
        .get("/reports/price-drops?percent=5&dealer=bayview")
        .await;
    assert_eq!(
        (large.as_array().unwrap().len(), &large[0]["before_cents"]),
        (1, &json!(1_000_000))
    );
    // Whoever mistypes a dealer is not told that he has none.
    for report in [
        "aging",
        "price-drops",
        "unknown-words",
        "lost-photos",
        "doubles",
    ] {
        let path = format!("/reports/{report}?dealer=bayveiw");
        assert_eq!(
            served.refused(&path).await,
            StatusCode::NOT_FOUND,
            "{report}"
        );
    }
    let doubles = served.get("/reports/doubles").await;
    assert_eq!(doubles[0]["rooftops"], json!(["bayview 2", "bayview 3"]));
    let history = served.get("/listings/1/history").await;
    let prices: Vec<&Value> = history["prices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["price_cents"])
        .collect();
    assert_eq!(prices, [1_000_000, 900_000]);
    let stays = served.get(&format!("/stays/{a}")).await;
    assert_eq!(
        (&stays[0]["status"], &stays[0]["first_price_cents"]),
        (&json!("available"), &json!(1_000_000))
    );
    assert_eq!(served.get("/archived-listings?number=1").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_put_read_by_version_and_put_back() {
    let served = serve().await;
    let yaml = |price: &str| {
        format!(
            "name: mine\nkind: vehicle\ncolumns:\n  - {{to: stock_number, from: [s]}}\n  - {{to: price_cents, from: [{price}], as: money}}\n"
        )
    };
    for (price, version) in [("cost", 1), ("asked", 2)] {
        let (status, put) = served
            .put("/mappings/mine", json!({ "yaml": yaml(price) }))
            .await;
        assert_eq!(
            (status, &put["version"]),
            (StatusCode::OK, &json!(version)),
            "{put}"
        );
    }
    let rooftop = json!({ "name": "Bayview", "time_zone": "America/Los_Angeles" });
    served.put("/dealers/bayview", rooftop).await;
    let mut source = served.source();
    source["mapping"] = json!("mine");
    assert_eq!(
        served.put("/sources/bayview", source).await.0,
        StatusCode::OK
    );
    let all = served.get("/mappings").await;
    let all = all.as_array().unwrap();
    let named = |name: &str| all.iter().find(|mapping| mapping["name"] == name).unwrap();
    assert_eq!(named("mine")["version"], 2);
    assert_eq!(named("mine")["sources"], json!(["bayview"]));
    assert_eq!(named("homenet")["version"], Value::Null);
    assert_eq!(
        served.get("/mappings/mine?version=1").await["yaml"],
        yaml("cost")
    );
    let (status, back) = served
        .post("/mappings/mine/reverts", json!({ "version": 1 }))
        .await;
    assert_eq!((status, &back["version"]), (StatusCode::OK, &json!(3)));
    assert_eq!(served.get("/mappings/mine").await["yaml"], yaml("cost"));
    let versions = served.get("/mappings/mine/versions").await;
    assert_eq!(versions.as_array().unwrap().len(), 3);
    assert_eq!(versions[0]["version"], 3);
    for (name, yaml, why) in [
        ("mine", "name: mine\n", "missing field"),
        ("homenet", "name: homenet\n", "built in"),
    ] {
        let (status, problem) = served
            .put(&format!("/mappings/{name}"), json!({ "yaml": yaml }))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(why),
            "{problem}"
        );
    }
    let (status, _) = served
        .post("/mappings/mine/reverts", json!({ "version": 9 }))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_dealer_or_a_source_is_refused_by_name() {
    let served = serve().await;
    let dealer = |field: &str, value: &str| json!({ field: value });
    for (path, body, word) in [
        ("/dealers/Bay%20View", json!({}), "Bay View"),
        (
            "/dealers/bayview",
            dealer("time_zone", "Mars/Olympus"),
            "time_zone",
        ),
        ("/dealers/bayview", dealer("country", "usa"), "country"),
        ("/sources/bayview", served.source(), "no dealer"),
        (
            "/sources/bayview",
            json!({ "dealer": "b", "mapping": "m", "kind": "folder", "folder": "/etc" }),
            "on the server",
        ),
        ("/sources/..%2Fetc", served.source(), "no key"),
    ] {
        let (status, problem) = served.put(path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(word),
            "{path}: {problem}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_server_stays_where_the_server_put_it() {
    let served = serve().await;
    let (status, _) = served.put("/dealers/bayview", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let order = json!({ "dealer": "bayview", "mapping": "vehicles", "kind": "folder", "folder": "/srv/in" });
    let order = serde_json::from_value(order).unwrap();
    jobs::sources::put(&served.test.app, "yard", order, "ops")
        .await
        .unwrap();
    for body in [
        json!({ "folder": "/etc" }),
        json!({ "report_folder": "/root" }),
        json!({ "after_load": "move:/tmp/x" }),
    ] {
        let (status, problem) = served.put("/sources/yard", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("on the server"), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_is_known_by_its_vin_and_providers_are_made_and_tried() {
    let mut served = serve().await;
    let asked =
        json!({ "vins": ["1HGCM82633A004352", "1HGCM82643A004352", "1HGCM82633AOO4352", "x"] });
    let (status, cards) = served.post("/vins/decode", asked).await;
    assert_eq!(status, StatusCode::OK, "{cards}");
    assert_eq!(
        (&cards[0]["make"], &cards[0]["year"]),
        (&json!("Honda"), &json!(2003))
    );
    assert_eq!(cards[0]["errors"][0]["code"], 0);
    assert_eq!(cards[1]["check_digit_ok"], false);
    assert!(
        cards[2]["problem"].as_str().unwrap().contains('O'),
        "{}",
        cards[2]
    );
    assert_eq!(cards[2]["perhaps"], json!(["1HGCM82633A004352"]));
    assert!(cards[3]["problem"].is_string() && cards[3]["make"].is_null());
    let (status, _) = served
        .post("/vins/decode", json!({ "vins": vec!["x"; 501] }))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let orders: Value = serde_json::from_str(embedded::Sandbox::PROVIDERS).unwrap();
    for name in ["past", "worth"] {
        let (status, made) = served
            .put(&format!("/providers/{name}"), orders[name].clone())
            .await;
        assert_eq!(status, StatusCode::OK, "{made}");
    }
    let bad = json!({ "kind": "history", "url": "https://history.example.com/{vin}", "selectors": { "vin": 7 } });
    let (status, problem) = served.put("/providers/other", bad).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        problem["detail"].as_str().unwrap().contains("selectors"),
        "{problem}"
    );
    let (status, tried) = served.post("/providers/past/tries", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{tried}");
    assert!(tried["answer"].as_str().unwrap().contains("owners"));

    let dealer = json!({ "name": "Bayview" });
    served.put("/dealers/bayview", dealer).await;
    let (status, made) = served.put("/sources/bayview", served.source()).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let text = "stock,vin,miles,photos\nA1,1HGCM82633A004352,30000,http://photos.test/bay/1/0.jpg|http://photos.test/small/bay/1/0.jpg\n";
    served.test.dropped("bayview", "a.csv", text.as_bytes());
    let source = "bayview".to_owned();
    served
        .test
        .stepper
        .perform(&PullSource { source })
        .await
        .unwrap();
    served.test.run_all().await;
    let vehicle = served.get("/vins/1hgcm82633a004352").await;
    assert_eq!(vehicle["decoded"]["model"], "Accord");
    assert_eq!(vehicle["reports"][0]["provider"], "past");
    assert!(vehicle["reports"][0]["owners"].as_i64().unwrap() > 0);
    assert!(
        !vehicle["reports"][0]["records"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        vehicle["valuations"][0]["retail_cents"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    // The page itself, to be kept and not to be shown.
    let page = |provider: &str| {
        let url = format!(
            "{}/vins/1hgcm82633a004352/reports/{provider}/page",
            served.url
        );
        Client::new().get(url).bearer_auth(&served.key).send()
    };
    let came = page("past").await.unwrap();
    let shown = came.headers()["content-disposition"].to_str().unwrap();
    assert!(shown.starts_with("attachment"), "{shown}");
    let text = came.text().await.unwrap();
    assert!(
        text.contains("1HGCM82633A004352") && text.contains("<html"),
        "{text}"
    );
    assert_eq!(page("worth").await.unwrap().status(), StatusCode::NOT_FOUND);
    let id = vehicle["listings"][0].as_i64().unwrap();
    let providers = served.get("/providers").await;
    assert_eq!(providers[0]["answers"], 1);
    let photos = served.get(&format!("/listings/{id}/photos")).await;
    let similar = served
        .get(&format!("/photos/{}/similar", photos[0]["photo"]))
        .await;
    assert_eq!(
        similar[0]["photo"], photos[1]["photo"],
        "{photos} {similar}"
    );
    assert_eq!(similar[0]["listings"], json!([id]));
    assert_eq!(similar[0]["confirmed"], true);
}
