//! Sources that are no SFTP drop, what is asked of a source before it is one, and the report that goes back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::Dealer;
use embedded::Served;
use jobs::sources::SourceOrder;
use jobs::testing::TestApp;
use jobs::{ExportReport, PullSource};
use queue::Outcome;
use serde_json::{Value, json};
use stores::{Dealers, Files, ListingFilter, Listings, Sources};

const STOCK: &str = "Stock Number,VIN,Make,Model,Price\n1,1HGCM82633A004352,Honda,Accord,100\n2,,Ford,F-150,=cmd()\n";
const SUNDAY: &str = "Sun, 22 Nov 2026 02:00:00 GMT";
const MONDAY: &str = "Mon, 23 Nov 2026 02:00:00 GMT";
const TUESDAY: &str = "Tue, 24 Nov 2026 02:00:00 GMT";

async fn put(test: &TestApp, order: Value) -> Result<(), String> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = Dealer {
        key: "bayview".to_owned(),
        time_zone: "UTC".to_owned(),
        ..Dealer::default()
    };
    Dealers::put(&mut conn, &dealer).await.unwrap();
    drop(conn);
    let mut whole = json!({ "dealer": "bayview", "mapping": "vehicles" });
    let asked = order.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(asked);
    let order: SourceOrder = serde_json::from_value(whole).unwrap();
    let made = jobs::sources::put(&test.app, "bayview", order, "ops").await;
    made.map(drop).map_err(|error| error.to_string())
}

/// What the pull says of itself.
async fn pull(test: &mut TestApp) -> Value {
    let source = "bayview".to_owned();
    let step = test.stepper.perform(&PullSource { source }).await.unwrap();
    test.run_all().await;
    match step.outcome {
        Outcome::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

async fn on_the_lot(test: &TestApp) -> usize {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let all = ListingFilter::default();
    Listings::list(&mut conn, &all, 0, 100).await.unwrap().len()
}

#[tokio::test]
async fn a_report_beside_the_files_is_never_taken_for_one() {
    let mut test = TestApp::start().await;
    let folder = test.root.join("beside");
    std::fs::create_dir_all(&folder).unwrap();
    let place = folder.to_str().unwrap();
    let order =
        json!({ "kind": "folder", "folder": place, "settle": "at_once", "report_folder": place });
    put(&test, order).await.unwrap();
    let text = "Stock Number,VIN,Make,Model\n1,1HGCM82633A004352,Honda,Accord\n2,,Ford,F-150\n";
    std::fs::write(folder.join("stock.csv"), text).unwrap();
    pull(&mut test).await;
    let report = ExportReport {
        source: "bayview".to_owned(),
    };
    let step = test.stepper.perform(&report).await.unwrap();
    let Outcome::Done(told) = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert!(folder.join(told["name"].as_str().unwrap()).exists());
    for name in ["forecourt-2026-11-27.csv", "forecourt-used-2026-11-27.csv"] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let report = pull(&mut test).await;
    assert_eq!(
        report["listed"], 3,
        "the dealer's own, whatever it is called"
    );
    assert_eq!(on_the_lot(&test).await, 2);
}

#[tokio::test]
async fn a_folder_is_a_drop_and_gets_its_report() {
    let mut test = TestApp::start().await;
    // What is gone today is looked for again later.
    test.forgive_left_behind();
    let folder = test.root.join("mounted");
    std::fs::create_dir_all(&folder).unwrap();
    let place = folder.to_str().unwrap();
    let order = json!({
        "kind": "folder", "folder": place, "settle": "at_once", "after_load": format!("move:{place}/done"),
        "report_folder": format!("{place}/reports"),
    });
    put(&test, order).await.unwrap();
    let text = "Stock Number,VIN,Make,Model,Price,Photos\n1,1HGCM82633A004352,Honda,Accord,100,http://photos.test/missing/1.jpg\n\
        2,,Ford,F-150,=cmd(),\n3,1HGCM82643A004352,Honda,Accord,1,\n4,1HGCM82633AOO4352,Honda,Accord,1,\n";
    std::fs::write(folder.join("stock.csv"), text).unwrap();
    std::fs::write(folder.join("notes.txt"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link.csv")).unwrap();
    let report = pull(&mut test).await;
    assert_eq!(
        (report["listed"].as_i64(), report["new"].as_i64()),
        (Some(1), Some(1))
    );
    assert_eq!(on_the_lot(&test).await, 3);
    assert!(folder.join("done/stock.csv").exists() && !folder.join("stock.csv").exists());

    let source = "bayview".to_owned();
    let step = test
        .stepper
        .perform(&ExportReport { source })
        .await
        .unwrap();
    let Outcome::Done(told) = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    let name = told["name"].as_str().unwrap();
    let text = std::fs::read_to_string(folder.join("reports").join(name)).unwrap();
    let mut rows = csv_rows(&text);
    assert_eq!(rows.remove(0)[0], "what");
    assert_eq!(rows[0][..2], ["file loaded", "stock.csv"]);
    let refused = rows.iter().find(|row| row[0] == "value refused").unwrap();
    assert_eq!(refused[2], "2");
    assert_eq!(
        (refused[5].as_str(), refused[6].as_str()),
        ("price_cents", "'=cmd()"),
        "no formula"
    );
    // What was loaded longer ago than a day, and after the last report, is told by the next.
    let late = "UPDATE source_files SET seen_at = now() - interval '3 days', loaded_at = now() - interval '2 days';
        UPDATE sources SET reported_since = now() - interval '5 days', reported_at = now() - interval '60 hours'";
    stores::execute_for_tests(&test.app.pool, late)
        .await
        .unwrap();
    for told_files in [1, 1] {
        let source = "bayview".to_owned();
        let step = test.stepper.perform(&ExportReport { source }).await;
        let Outcome::Done(told) = step.unwrap().outcome else {
            panic!("a report")
        };
        assert_eq!(told["files"], told_files, "the day's own once more, whole");
    }
    // What only the decoder and the photos' hosts know.
    let of = |what: &str| {
        rows.iter()
            .find(|row| row[0] == what)
            .unwrap_or_else(|| panic!("no {what}: {text}"))
    };
    let slip = rows.iter().find(|row| row[7] == "vin_ioq").unwrap();
    assert!(slip[8].contains("perhaps 1HGCM82633A004352"), "{slip:?}");
    assert!(of("vin doubtful")[8].contains("check digit"));
    let lost = of("photo missing");
    assert_eq!(
        (lost[5].as_str(), lost[6].as_str()),
        ("image_urls", "http://photos.test/missing/1.jpg")
    );
}

/// Cells without quotes inside them.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.trim_matches('"')
            .split("\",\"")
            .map(str::to_owned)
            .collect()
    };
    text.lines().map(cells).collect()
}

#[tokio::test]
async fn a_web_address_is_asked_for_what_changed_and_a_login_goes_to_its_host_only() {
    let mut test = TestApp::start().await;
    let url = "http://photos.test/moved/files/stock.csv";
    let served = |text: &str, modified: &str| Served {
        bytes: text.as_bytes().to_vec(),
        modified: modified.to_owned(),
        // dealer:hunter2
        authorization: "Basic ZGVhbGVyOmh1bnRlcjI=".to_owned(),
    };
    test.sandbox.serve("stock.csv", served(STOCK, SUNDAY));
    let order = |password: &str| json!({ "kind": "https", "url": url, "username": "dealer", "password": password });
    put(&test, order("wrong")).await.unwrap();
    let source = "bayview".to_owned();
    let step = test.stepper.perform(&PullSource { source }).await.unwrap();
    assert!(
        matches!(step.outcome, Outcome::Dead(_)),
        "{:?}",
        step.outcome
    );
    put(&test, order("hunter2")).await.unwrap();
    assert_eq!(pull(&mut test).await["new"], 1);
    assert_eq!(on_the_lot(&test).await, 2);
    assert_eq!(pull(&mut test).await["known"], 1, "not modified since");
    // Touched, but the same.
    test.sandbox.serve("stock.csv", served(STOCK, MONDAY));
    assert_eq!(pull(&mut test).await["known"], 1);
    let more = format!("{STOCK}3,,Kia,Rio,50\n");
    test.sandbox.serve("stock.csv", served(&more, MONDAY));
    assert_eq!(pull(&mut test).await["new"], 0, "Monday's was seen");
    test.sandbox.serve("stock.csv", served(&more, TUESDAY));
    assert_eq!(pull(&mut test).await["new"], 1);
    assert_eq!(on_the_lot(&test).await, 3);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let source = Sources::find(&mut conn, "bayview").await.unwrap().unwrap();
    let files = Files::list(&mut conn, Some(source.id), 9).await.unwrap();
    assert_eq!(files[0].name, "stock.csv");
}

#[tokio::test]
async fn a_drop_of_many_rooftops_needs_no_dealer_and_units_keep_theirs() {
    let mut test = TestApp::start().await;
    // Its photos are asked for later.
    test.forgive_left_behind();
    let folder = test.root.join("group");
    std::fs::create_dir_all(&folder).unwrap();
    let order = |dealer: &str, more: Value| {
        let mut order = json!({
            "kind": "folder", "folder": folder.to_str().unwrap(), "settle": "at_once", "dealer": dealer,
            "mapping": "cars_com",
        });
        let more = more.as_object().unwrap().clone();
        order.as_object_mut().unwrap().extend(more);
        order
    };
    let refused = put(&test, order("", json!({ "mapping": "vehicles" }))).await;
    assert!(refused.unwrap_err().contains("names the rooftop"));
    let refused = put(&test, order("", json!({ "report_folder": "/x" }))).await;
    assert!(refused.unwrap_err().contains("a report is of one dealer"));
    let refused = put(&test, order("bayview", json!({ "create_dealers": true }))).await;
    assert!(refused.unwrap_err().contains("without a dealer"));
    let zone = json!({ "create_dealers": true, "time_zone": "America/Chicago", "max_removed_percent": 100 });
    put(&test, order("", zone)).await.unwrap();
    let head = "Year,Make,Model,Used/New,Price,SellerName,StreetName,State,Zipcode,VIN,Stock#";
    let row = |seller: &str, number: &str| {
        format!(
            "2019,Ford,F-150,Used,\"$39,998\",{seller},1 Main St Austin,TX,78701,1FTEW1EG2JFD44217,{number}\n"
        )
    };
    let text = format!("{head}\n{}{}", row("Bay", "1"), row("Hill", "2"));
    std::fs::write(folder.join("group.csv"), text).unwrap();
    pull(&mut test).await;
    assert_eq!(on_the_lot(&test).await, 2);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let made = stores::Schedules::find(&mut conn, "pull-bayview")
        .await
        .unwrap();
    assert_eq!(made.unwrap().time_zone, "America/Chicago");
    for key in ["bay-78701", "hill-78701"] {
        assert!(
            Dealers::find(&mut conn, key).await.unwrap().is_some(),
            "{key}"
        );
    }
    drop(conn);
    let refused = put(&test, order("bayview", json!({}))).await.unwrap_err();
    assert!(
        refused.contains("units of many dealers on the lot"),
        "{refused}"
    );
}

/// A file that somebody hands in by hand is not the night's: what the drop brought stays the drop's, which guards it and
/// takes it off the lot.
#[tokio::test]
async fn a_file_handed_in_does_not_take_units_from_the_nightly_drop() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    let folder = test.root.join("night");
    std::fs::create_dir_all(&folder).unwrap();
    let order = json!({ "kind": "folder", "folder": folder.to_str().unwrap(), "settle": "at_once", "dealer": "bayview",
        "mapping": "vehicles" });
    put(&test, order).await.unwrap();
    let file = |units: std::ops::Range<u32>| {
        let rows: String = units.map(|n| format!("N{n},,Ford\n")).collect();
        format!("stock,vin,make\n{rows}")
    };
    std::fs::write(folder.join("1.csv"), file(0..8)).unwrap();
    pull(&mut test).await;
    assert_eq!(on_the_lot(&test).await, 8);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = Dealers::find(&mut conn, "bayview").await.unwrap().unwrap();
    drop(conn);
    let by_hand = test
        .handed_in("vehicles", Some(dealer.id), false, file(0..9).as_bytes())
        .await;
    test.stepper
        .perform(&jobs::LoadFile { file: by_hand })
        .await
        .unwrap();
    assert_eq!(on_the_lot(&test).await, 9);
    // The drop's file lacks one of its own; the ninth it never had.
    std::fs::write(folder.join("2.csv"), file(0..7)).unwrap();
    pull(&mut test).await;
    assert_eq!(on_the_lot(&test).await, 8);
    // Who brings one back by hand answers for it: the drop, which has it no more, does not take it off again.
    let back = test
        .handed_in("vehicles", Some(dealer.id), false, file(7..8).as_bytes())
        .await;
    test.stepper
        .perform(&jobs::LoadFile { file: back })
        .await
        .unwrap();
    std::fs::write(folder.join("2b.csv"), file(0..7) + "\n").unwrap();
    pull(&mut test).await;
    assert_eq!(on_the_lot(&test).await, 8);
    // And one that would take most of them is held.
    std::fs::write(folder.join("3.csv"), file(0..1)).unwrap();
    pull(&mut test).await;
    assert_eq!(on_the_lot(&test).await, 8);
}

/// Twenty units of four rooftops; what a night without one of them, and rows that lost their rooftop, come to.
#[tokio::test]
async fn no_rooftop_of_many_is_emptied_by_a_file_that_lost_it() {
    let mut test = TestApp::start().await;
    let head = "Year,Make,Model,Price,SellerName,State,Zipcode,Stock#,VIN";
    let row =
        |seller: &str, number: u32| format!("2019,Ford,F-150,100,{seller},TX,78701,{number},\n");
    let all = |keep: &dyn Fn(u32) -> bool| -> String {
        let rows = (0..20).filter(|n| keep(*n));
        rows.map(|n| row(["Bay", "Hill", "Oak", "Elm"][n as usize % 4], n))
            .collect()
    };
    let mut load = async |text: String| {
        let text = format!("{head}\n{text}");
        let file = test
            .handed_in("cars_com", None, true, text.as_bytes())
            .await;
        let load = jobs::LoadFile { file };
        test.stepper.perform(&load).await.unwrap();
        test.run_all().await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        Files::get(&mut conn, file).await.unwrap()
    };
    assert_eq!(load(all(&|_| true)).await.counts.created, 20);
    let without = load(all(&|n| n % 4 != 1)).await;
    let held = without.held_reason.unwrap();
    assert!(held.contains("5 of 5 units of hill-78701"), "{held}");
    // Unit 1 names no rooftop, unit 2 has a cell too many before its own, unit 3 is gone.
    let odd = "2019,Ford,F-150,100,,TX,78701,1,\n2019,Ford,F-150,1,00,Oak,TX,78701,2,\n";
    let counts = load(format!("{odd}{}", all(&|n| ![1, 2, 3].contains(&n))))
        .await
        .counts;
    assert_eq!((counts.rejected, counts.removed, counts.created), (2, 1, 0));
    assert_eq!(on_the_lot(&test).await, 19);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let rooftops = Dealers::list(&mut conn).await.unwrap();
    assert_eq!(
        rooftops.len(),
        4,
        "a row that cannot be read makes none: {rooftops:?}"
    );
}

#[tokio::test]
async fn a_source_that_cannot_work_is_refused_by_name() {
    let test = TestApp::start().await;
    for (order, word) in [
        (json!({ "kind": "ftp" }), "\"ftp\" is not sftp"),
        (
            json!({ "kind": "https", "url": "file:///etc/passwd" }),
            "https://",
        ),
        (
            json!({ "kind": "folder", "folder": "stock" }),
            "from the root",
        ),
        (json!({ "kind": "sftp", "host": "x" }), "a username"),
        (
            json!({ "kind": "https", "url": "https://x/y", "after_load": "delete" }),
            "nothing at a web address",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "policy": "replace" }),
            "\"replace\" is not",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "settle": "soon" }),
            "\"soon\" is not",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "after_load": "move:/x" }),
            "another than /x",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "grace_hours": -1 }),
            "0 to 8760",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "mapping": "nobody" }),
            "nobody",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "dealer": "nobody" }),
            "no dealer \"nobody\"",
        ),
        (
            json!({ "kind": "folder", "folder": "/x", "cron": "61 * * * *" }),
            "61",
        ),
    ] {
        let problem = put(&test, order.clone()).await.unwrap_err();
        assert!(problem.contains(word), "{order}: {problem}");
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert!(
        Sources::list(&mut conn).await.unwrap().is_empty(),
        "nothing is half made"
    );
}

#[tokio::test]
async fn what_an_order_leaves_out_stays_as_it_is() {
    let test = TestApp::start().await;
    let first = json!({
        "kind": "folder", "folder": "/in", "pattern": "*.txt", "settle": "marker:.done", "after_load": "move:/done",
        "policy": "merge", "grace_files": 3, "grace_hours": 48, "attachments": "with_prime", "report_folder": "/out",
        "max_removed_percent": 10, "cron": "0 4 * * *",
    });
    put(&test, first).await.unwrap();
    let known = async || {
        let mut conn = test.app.pool.acquire().await.unwrap();
        Sources::find(&mut conn, "bayview").await.unwrap().unwrap()
    };
    let before = known().await;
    put(&test, json!({ "grace_files": 4 })).await.unwrap();
    let after = known().await;
    let mut terms = before.terms.clone();
    terms.grace.files = 4;
    assert_eq!(after.terms, terms);
    assert_eq!(
        (&after.folder, &after.pattern, after.max_removed_percent),
        (&before.folder, &before.pattern, before.max_removed_percent)
    );
    // Another kind of drop has another place: nothing of the old one's is meant.
    let inside = json!({ "kind": "https", "url": "https://127.0.0.1/a.csv" });
    let refused = put(&test, inside).await.unwrap_err().to_string();
    assert!(refused.contains("which is not public"), "{refused}");
    let moved = json!({ "kind": "https", "url": "http://photos.test/a.csv" });
    put(&test, moved).await.unwrap();
    let after = known().await;
    assert_eq!(
        (after.folder.as_str(), after.terms.report_folder.as_str()),
        ("/", "")
    );
    assert_eq!(after.terms.grace.files, 4);
    let nameless: SourceOrder =
        serde_json::from_value(json!({ "kind": "folder", "folder": "/x" })).unwrap();
    let refused = jobs::sources::put(&test.app, "new", nameless, "ops").await;
    assert!(refused.unwrap_err().to_string().contains("mapping"));
}
