//! Whose word a field is, over real HTTP and through real files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use api::{Api, IndexTailer};
use jobs::PullSource;
use jobs::testing::TestApp;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use stores::{Audit, Keys, Scope};
use tokio_util::sync::CancellationToken;

struct Served {
    test: TestApp,
    url: String,
    key: String,
}

async fn serve() -> Served {
    let test = TestApp::start().await;
    test.source("bayview", "homenet").await;
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
    let key = Keys::create(&mut conn, "jane", Scope::Operate)
        .await
        .unwrap();
    drop(conn);
    Served {
        test,
        url: format!("http://{address}/v2"),
        key,
    }
}

impl Served {
    async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = Client::new()
            .request(method.clone(), format!("{}{path}", self.url))
            .bearer_auth(&self.key);
        if method == Method::PUT {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn night(&mut self, color: &str, price: u32) {
        let text = format!(
            "Type,Stock,VIN,Year,Make,Model,ExteriorColor,Miles,Selling Price\nUsed,A1,1HGCM82633A004352,2003,Toyota,Accord,{color},1000,{price}\n"
        );
        self.test
            .dropped("bayview", &format!("{price}.csv"), text.as_bytes());
        let pull = PullSource {
            source: "bayview".to_owned(),
        };
        self.test.stepper.perform(&pull).await.unwrap();
        self.test.run_all().await;
    }

    async fn word(&self, field: &str) -> Value {
        let (status, words) = self
            .send(Method::GET, "/listings/1/provenance", json!({}))
            .await;
        assert_eq!(status, StatusCode::OK);
        let words = words.as_array().unwrap().clone();
        let found = words.into_iter().find(|word| word["field"] == field);
        found.unwrap_or(Value::Null)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_word_survives_the_next_file_and_ends_when_it_is_released() {
    let mut served = serve().await;
    served.night("Rallye Red", 9_000).await;
    let word = served.word("price_cents").await;
    assert_eq!(
        (&word["value"], &word["source"]),
        (&json!("900000"), &json!("file"))
    );
    assert_eq!(
        (&word["file_name"], &word["row"]),
        (&json!("9000.csv"), &json!(1))
    );
    assert_eq!(served.word("doors").await["source"], "vin");

    let path = "/listings/1/overrides/price_cents";
    let (status, _) = served
        .send(Method::PUT, path, json!({ "value": 850_000 }))
        .await;
    assert_eq!(status, StatusCode::OK);
    served.night("Rallye Red", 8_800).await;
    let word = served.word("price_cents").await;
    assert_eq!(
        (&word["value"], &word["by"]),
        (&json!("850000"), &json!("jane"))
    );
    assert_eq!(
        word["over"], "880000",
        "the dealer's newest word is kept under it"
    );
    let (status, _) = served.send(Method::DELETE, path, json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(served.word("price_cents").await["value"], "880000");
    let (status, problem) = served.send(Method::DELETE, path, json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    served.test.run_all().await;

    let mut conn = served.test.app.pool.acquire().await.unwrap();
    let did: Vec<String> = Audit::list(&mut conn, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| format!("{} {}", entry.who, entry.action))
        .collect();
    assert_eq!(did, ["jane release", "jane override"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_and_values_of_another_kind_are_refused_and_contradictions_listed() {
    let mut served = serve().await;
    served.night("Red", 9_000).await;
    for (field, value, word) in [
        ("stock_number", json!("B1"), "tells units apart"),
        ("vin", json!("1HGCM82633A004352"), "tells units apart"),
        ("smell", json!("new"), "smell"),
        ("price_cents", json!("cheap"), "whole number"),
        ("price_cents", json!(-1), "whole number"),
        ("year", json!(99_999), "not between 1900 and 2100"),
        ("make", json!(""), "text of 1"),
        ("currency", json!("Dollars"), "no currency we keep: USD"),
        ("date_in_stock", json!("yesterday"), "date like"),
        ("options", json!("a,b"), "list"),
    ] {
        let path = format!("/listings/1/overrides/{field}");
        let (status, problem) = served
            .send(Method::PUT, &path, json!({ "value": value }))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(word),
            "{field}: {problem}"
        );
    }
    let (_, found) = served
        .send(Method::GET, "/contradictions?dealer=bayview", json!({}))
        .await;
    assert_eq!(found[0]["field"], "make");
    assert_eq!(
        (&found[0]["listing_value"], &found[0]["vin_value"]),
        (&json!("Toyota"), &json!("Honda"))
    );
    let (status, _) = served
        .send(Method::GET, "/contradictions?dealer=other", json!({}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, none) = served
        .send(
            Method::GET,
            "/contradictions?after=1&after_field=make",
            json!({}),
        )
        .await;
    assert_eq!(none, json!([]));
    // An operator who says what the VIN says has settled it.
    let path = "/listings/1/overrides/make";
    let (status, _) = served
        .send(Method::PUT, path, json!({ "value": "Honda" }))
        .await;
    assert_eq!(status, StatusCode::OK);
    served.test.run_all().await;
    let (_, none) = served
        .send(Method::GET, "/contradictions?dealer=bayview", json!({}))
        .await;
    assert_eq!(none, json!([]));
}
