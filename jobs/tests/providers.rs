//! Providers that are put anew, disabled or removed, and what becomes of what they said.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use embedded::{Faults, PartnerFaults, Sandbox};
use jobs::providers::{ProviderOrder, put, remove};
use jobs::testing::TestApp;
use jobs::{LoadFile, RefreshHistory, RefreshValuations};
use std::collections::BTreeMap;
use stores::{Alerts, Dealers, Listings, ProviderView, Providers, Schedules};

const VIN: &str = "1HGCM82633A004352";

fn order(name: &str) -> ProviderOrder {
    let orders: BTreeMap<String, ProviderOrder> = serde_json::from_str(Sandbox::PROVIDERS).unwrap();
    orders[name].clone()
}

async fn load(test: &mut TestApp, dealer: &str, text: &str) {
    let rooftop = domain::Dealer {
        key: dealer.to_owned(),
        ..domain::Dealer::default()
    };
    let mut conn = test.app.pool.acquire().await.unwrap();
    let rooftop = Dealers::put(&mut conn, &rooftop).await.unwrap();
    drop(conn);
    let text = format!("stock,vin,miles,price\n{text}");
    let file = test
        .handed_in("vehicles", Some(rooftop), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
}

async fn unit(test: &TestApp) -> domain::Details {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Listings::get(&mut conn, 1).await.unwrap().details
}

async fn view(test: &TestApp, name: &str) -> Option<ProviderView> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let views = Providers::views(&mut conn).await.unwrap();
    views.into_iter().find(|view| view.name == name)
}

async fn sql(test: &TestApp, sql: &'static str) {
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
}

async fn ask(test: &mut TestApp) {
    let provider = "past".to_owned();
    let step = test.stepper.perform(&RefreshHistory { provider }).await;
    assert_eq!(step.unwrap().outcome.word(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_or_removed_has_no_word_any_more() {
    let mut test = TestApp::start().await;
    test.providers().await;
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    let told = unit(&test).await;
    assert!(told.owners.is_some() && told.market_cents.is_some());
    for disabled in [true, false] {
        for name in ["past", "worth"] {
            let wanted = ProviderOrder {
                disabled,
                ..order(name)
            };
            put(&test.app, name, wanted, "jane").await.unwrap();
        }
        test.run_all().await;
        let stands = if disabled {
            (None, None)
        } else {
            (told.owners, told.market_cents)
        };
        let now = unit(&test).await;
        assert_eq!((now.owners, now.market_cents), stands);
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    let pages = stores::Histories::of(&mut conn, &[VIN.to_owned()]).await;
    let page = pages.unwrap()[0].report.raw_key.clone().unwrap();
    drop(conn);
    for name in ["past", "worth"] {
        remove(&test.app, name, "jane").await.unwrap();
        assert!(view(&test, name).await.is_none());
    }
    // What is queued for them ends without harm.
    test.run_all().await;
    let prune = jobs::PruneHistory::default();
    test.stepper.perform(&prune).await.unwrap();
    let now = unit(&test).await;
    assert_eq!((now.owners, now.market_cents), (None, None));
    assert!(!test.app.objects.exists(&page).await.unwrap());
    let mut conn = test.app.pool.acquire().await.unwrap();
    let schedule = Schedules::find(&mut conn, "refresh-past").await.unwrap();
    assert!(schedule.is_none());
    drop(conn);
    let nobody = remove(&test.app, "past", "jane").await.unwrap_err();
    assert!(nobody.to_string().contains("past"), "{nobody}");
    // Another kind may have the name then, and not before.
    put(&test.app, "past", order("past"), "jane").await.unwrap();
    let refused = put(&test.app, "past", order("worth"), "jane").await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("past is of kind history")
    );
    test.run_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_of_two_mileages_is_valued_at_both_in_one_turn() {
    let mut test = TestApp::start().await;
    let worth = order("worth");
    put(&test.app, "worth", worth, "test").await.unwrap();
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    load(&mut test, "hill", &format!("A1,{VIN},90000,12000\n")).await;
    sql(
        &test,
        "UPDATE valuations SET day = day - 20; UPDATE providers SET looked_at = NULL",
    )
    .await;
    let provider = "worth".to_owned();
    test.stepper
        .perform(&RefreshValuations { provider })
        .await
        .unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    let provider = Providers::get(&mut conn, "worth").await.unwrap();
    let fresh = stores::Valuations::fresh(&mut conn, &provider, &[VIN.to_owned()]).await;
    let mut buckets: Vec<i32> = fresh.unwrap().into_iter().map(|(_, miles)| miles).collect();
    buckets.sort_unstable();
    assert_eq!(buckets, [30, 90]);
    let view = view(&test, "worth").await.unwrap();
    assert_eq!((view.due, view.failing), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_lot_is_not_asked_about() {
    let mut test = TestApp::start().await;
    put(&test.app, "past", order("past"), "test").await.unwrap();
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    let asked = test.sandbox.requests_of("history");
    sql(
        &test,
        "INSERT INTO enrichment_due (provider, subject, priority) SELECT 'past', vin, 1 FROM listings;
         UPDATE listings SET status = 'sold'",
    )
    .await;
    ask(&mut test).await;
    assert_eq!(test.sandbox.requests_of("history"), asked);
    let view = view(&test, "past").await.unwrap();
    assert_eq!((view.due, view.failing), (0, 0));
}

/// What a decoder's API had filled is blank again, and the next one is asked anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_that_is_removed_has_filled_nothing() {
    let mut test = TestApp::start().await;
    test.providers().await;
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    let decoder = {
        let mut conn = test.app.pool.acquire().await.unwrap();
        let all = stores::Providers::views(&mut conn).await.unwrap();
        let decoder = all.into_iter().find(|view| view.kind == "vin").unwrap();
        decoder.name
    };
    let offline = unit(&test).await;
    assert!(offline.doors.is_some() && offline.trim.as_deref() != Some("Evil"));
    // The API is asked where the offline decoder is not clear.
    sql(
        &test,
        "UPDATE vin_decodes SET api = '{\"Trim\": \"Evil\"}', api_errors = '0', api_at = now(),
            api_by = (SELECT name FROM providers WHERE kind = 'vin');
         UPDATE listings SET trim = 'Evil', provenance = provenance || '{\"trim\": {\"source\": \"vin\"}}'",
    )
    .await;
    assert_eq!(unit(&test).await.trim.as_deref(), Some("Evil"));
    // Another one that goes takes nothing with it.
    let other = ProviderOrder {
        disabled: true,
        ..order(&decoder)
    };
    put(&test.app, "other", other, "jane").await.unwrap();
    remove(&test.app, "other", "jane").await.unwrap();
    test.run_all().await;
    let word = |test: &TestApp| {
        let pool = test.app.pool.clone();
        async move {
            let mut conn = pool.acquire().await.unwrap();
            let vins = [VIN.to_owned()];
            stores::Vins::of_api(&mut conn, &vins).await.unwrap().len()
        }
    };
    assert_eq!(word(&test).await, 1);
    assert_eq!(unit(&test).await.trim.as_deref(), Some("Evil"));
    // One that is disabled has no word, and has it again when it is not.
    for (disabled, words) in [(true, 0), (false, 1)] {
        let wanted = ProviderOrder {
            disabled,
            ..order(&decoder)
        };
        put(&test.app, &decoder, wanted, "jane").await.unwrap();
        test.run_all().await;
        assert_eq!(word(&test).await, words);
        assert!(disabled || view(&test, &decoder).await.unwrap().answers == 1);
    }
    assert_ne!(unit(&test).await.trim.as_deref(), Some("Evil"));
    remove(&test.app, &decoder, "jane").await.unwrap();
    test.run_all().await;
    let now = unit(&test).await;
    assert_ne!(now.trim.as_deref(), Some("Evil"));
    assert_eq!(
        (now.doors, now.make),
        (offline.doors, offline.make),
        "the offline decoder's stands"
    );
    assert_eq!(word(&test).await, 0);
}

/// Nobody has to wake it: the key may be mended at the other end.
#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_our_key_is_told_of_and_asked_again() {
    let mut test = TestApp::start().await;
    let wrong = ProviderOrder {
        secret: Some("nobody:knows".to_owned().into()),
        ..order("worth")
    };
    put(&test.app, "worth", wrong, "jane").await.unwrap();
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = Alerts::open(&mut conn).await.unwrap();
    assert!(open.iter().any(|alert| alert.what == "provider_failing"));
    drop(conn);
    sql(
        &test,
        "DO $$ BEGIN
            ASSERT NOT EXISTS (SELECT 1 FROM jobs_history WHERE kind = 'refresh_valuations' AND state = 'dead');
            ASSERT EXISTS (SELECT 1 FROM jobs_hot WHERE kind = 'refresh_valuations' AND run_at > now() + interval '4 minutes');
         END $$",
    )
    .await;
    test.forgive_left_behind();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_never_work_is_refused_when_it_is_put() {
    let mut test = TestApp::start().await;
    let own = |url: &str, shown_at: &str| ProviderOrder {
        kind: "upload".to_owned(),
        url: url.to_owned(),
        shown_at: shown_at.to_owned(),
        ..ProviderOrder::default()
    };
    let secret = |kind: &str, secret: &str| ProviderOrder {
        secret: Some(secret.to_owned().into()),
        ..order(kind)
    };
    let fine = "https://cdn.example.com/x";
    let cases = [
        (secret("past", "tok\nX-Evil: 1"), "secret: only letters"),
        (secret("worth", "nocolon"), "CLIENT:SECRET"),
        (secret("worth", ":"), "CLIENT:SECRET"),
        (own("s3:../x", fine), "no folder in our own storage"),
        (own("s3:", fine), "no folder in our own storage"),
        (own("s3:feeds", fine), "feeds is a folder of ours"),
        (own("s3:shown", "https://u:p@cdn.example.com/x"), "a login"),
        (
            own("s3:shown", "https://127.0.0.1/x"),
            "nowhere that others",
        ),
        (
            own("s3:shown", "https://localhost/x"),
            "nowhere that others",
        ),
        (own("s3:shown", "https://cdn.example.com/x?k=1"), "no ?"),
        (own("s3:shown", "cdn.example.com"), "shown_at"),
        (
            ProviderOrder {
                region: "NE\0".to_owned(),
                ..order("worth")
            },
            "one line each",
        ),
        (
            ProviderOrder {
                region: "NE".to_owned(),
                ..order("past")
            },
            "are of a valuation",
        ),
    ];
    for (wanted, why) in cases {
        let refused = put(&test.app, "x", wanted, "jane").await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused} / {why}");
    }
    // As docs/providers.md has it.
    let photos = own("s3:photos", fine);
    put(&test.app, "cdn", photos, "jane").await.unwrap();
    for name in ["a b", "Ünï", ""] {
        let refused = put(&test.app, name, order("past"), "jane").await;
        assert!(refused.unwrap_err().to_string().contains("is no name"));
    }
    test.run_all().await;
}

/// A wrong address: everything is "not found". Mended, nobody waits a month for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_known_at_a_wrong_address_is_asked_again_at_the_right_one() {
    let mut test = TestApp::start().await;
    let wrong = ProviderOrder {
        url: "http://photos.test/missing/{vin}".to_owned(),
        ..order("past")
    };
    put(&test.app, "past", wrong, "jane").await.unwrap();
    let vins: Vec<String> = (0..25)
        .map(|n| {
            let plain = domain::Vin::parse(&format!("1HGCM82603A{:06}", 4_001 + n)).unwrap();
            let mut vin = plain.as_str().to_owned();
            vin.replace_range(8..9, &plain.expected_check_digit().to_string());
            vin
        })
        .collect();
    let rows = vins.iter().enumerate();
    let rows: String = rows.map(|(n, vin)| format!("A{n},{vin},1,1\n")).collect();
    load(&mut test, "bayview", &rows).await;
    let past = view(&test, "past").await.unwrap();
    assert_eq!((past.answers, past.unknown), (25, 25));
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = Alerts::open(&mut conn).await.unwrap();
    let told = open.iter().find(|alert| alert.what == "history_unknown");
    assert!(told.unwrap().message.contains("none of 25 vehicles"));
    drop(conn);
    // Perhaps it was down, and not wrong: the same again is the remedy that the alert tells.
    let unchanged = ProviderOrder {
        url: "http://photos.test/missing/{vin}".to_owned(),
        ..order("past")
    };
    put(&test.app, "past", unchanged, "jane").await.unwrap();
    assert_eq!(view(&test, "past").await.unwrap().due, 25);
    test.run_all().await;
    let past = view(&test, "past").await.unwrap();
    assert_eq!((past.due, past.unknown), (0, 25));
    put(&test.app, "past", order("past"), "jane").await.unwrap();
    test.run_all().await;
    let past = view(&test, "past").await.unwrap();
    assert_eq!((past.answers, past.unknown, past.due), (25, 0, 0));
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = Alerts::open(&mut conn).await.unwrap();
    assert!(open.iter().all(|alert| alert.what != "history_unknown"));
}

/// A turn that is under way when its provider is put anew: what the old address answers is no answer of the new one.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_of_another_address_is_no_answer() {
    let mut test = TestApp::start().await;
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    let slow = PartnerFaults {
        latency_ms: 300,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        history: slow,
        ..Faults::default()
    });
    let wrong = ProviderOrder {
        url: "http://history.test/nowhere/{vin}".to_owned(),
        ..order("past")
    };
    put(&test.app, "past", wrong, "jane").await.unwrap();
    let (app, job) = (
        test.app.clone(),
        RefreshHistory {
            provider: "past".to_owned(),
        },
    );
    let under_way = async {
        while test.sandbox.requests_of("history") == 0 {
            tokio::task::yield_now().await;
        }
        put(&app, "past", order("past"), "jane").await.unwrap();
    };
    let (step, ()) = tokio::join!(test.stepper.perform(&job), under_way);
    assert_eq!(step.unwrap().outcome.word(), "done");
    test.run_all().await;
    let past = view(&test, "past").await.unwrap();
    assert_eq!((past.answers, past.unknown), (1, 0));
    // The same of one that is removed.
    sql(
        &test,
        "UPDATE history_reports SET fetched_at = now() - interval '40 days'; UPDATE providers SET looked_at = NULL",
    )
    .await;
    let asked = test.sandbox.requests_of("history");
    let under_way = async {
        while test.sandbox.requests_of("history") == asked {
            tokio::task::yield_now().await;
        }
        remove(&app, "past", "jane").await.unwrap();
    };
    let (step, ()) = tokio::join!(test.stepper.perform(&job), under_way);
    assert_eq!(step.unwrap().outcome.word(), "done");
    test.run_all().await;
    assert_eq!(unit(&test).await.owners, None);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let left = stores::Histories::of(&mut conn, &[VIN.to_owned()]).await;
    assert!(left.unwrap().is_empty());
}

/// It asked us to wait two hours; the one it is now did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_put_anew_is_asked_at_once() {
    let mut test = TestApp::start().await;
    let throttled = PartnerFaults {
        throttled: 1.0,
        retry_after_s: 7_200,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        history: throttled,
        ..Faults::default()
    });
    put(&test.app, "past", order("past"), "test").await.unwrap();
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    assert_eq!(view(&test, "past").await.unwrap().answers, 0);
    test.sandbox.misbehave(Faults::default());
    // The breaker has its own clock, and is not what is looked at here.
    sql(&test, "DELETE FROM partners WHERE name = 'history past'").await;
    put(&test.app, "past", order("past"), "jane").await.unwrap();
    test.run_all().await;
    assert_eq!(view(&test, "past").await.unwrap().answers, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_selectors_are_compared_whatever_their_case() {
    let mut test = TestApp::start().await;
    let mut wanted = order("past");
    let mut selectors = serde_json::to_value(wanted.selectors.take().unwrap()).unwrap();
    selectors["brands"] = serde_json::json!({ "Warranty Return": "Lemon" });
    selectors["accidents"]["zero"] = serde_json::json!(["No Accidents"]);
    wanted.selectors = serde_json::from_value(selectors).unwrap();
    put(&test.app, "past", wanted, "jane").await.unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    let kept = Providers::get(&mut conn, "past").await.unwrap().settings;
    assert_eq!(kept["selectors"]["brands"]["warranty return"], "Lemon");
    assert_eq!(kept["selectors"]["accidents"]["zero"][0], "no accidents");
    drop(conn);
    test.run_all().await;
}

/// A page that a newer one replaced, and a picture that stands nowhere any more, go when their time comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_is_forgotten() {
    let mut test = TestApp::start().await;
    put(&test.app, "past", order("past"), "test").await.unwrap();
    load(&mut test, "bayview", &format!("A1,{VIN},30000,19000\n")).await;
    let old = test
        .app
        .objects
        .put("history/old", b"<p>".to_vec(), "text/html");
    old.await.unwrap();
    sql(
        &test,
        "UPDATE history_reports SET raw_key = 'history/old', fetched_at = now() - interval '40 days';
         UPDATE providers SET looked_at = NULL;
         INSERT INTO photos (digest, bytes, format, width, height, phash, dhash, upright, mirrored, seen_at)
            VALUES ('old', 1, 'jpeg', 1, 1, 0, 0, 0, 0, now() - interval '99 days'),
                   ('new', 1, 'jpeg', 1, 1, 0, 0, 0, 0, now() - interval '9 days')",
    )
    .await;
    ask(&mut test).await;
    let prune = jobs::PruneHistory::default();
    test.stepper.perform(&prune).await.unwrap();
    assert!(test.app.objects.exists("history/old").await.unwrap());
    sql(
        &test,
        "DO $$ BEGIN ASSERT (SELECT array_agg(digest) FROM photos) = '{new}'; END $$",
    )
    .await;
    sql(
        &test,
        "UPDATE left_objects SET since = now() - interval '99 days'",
    )
    .await;
    test.stepper.perform(&prune).await.unwrap();
    assert!(!test.app.objects.exists("history/old").await.unwrap());
}
