//! Each job on real servers: it works, twice is harmless, bad input is named, a dependency down is
//! waited for.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::testing::TestApp;
use jobs::{
    ArchiveListings, BuildFeed, DecodeVins, HashPhotos, LoadFile, PruneHistory, PullSource,
    RebuildParents, RestoreListings,
};
use queue::testing::Step;
use queue::{Job, Outcome};
use std::collections::BTreeMap;
use stores::{Alerts, FileState, Files, ListingFilter, Listings, SourceFile, Vins};

const HEADER: &str = "Type,Stock,VIN,Year,Make,Model,ExteriorColor,Miles,Selling Price,ImageList\n";

fn row(stock: &str, vin: &str, price: u32) -> String {
    format!(
        "Used,{stock},{vin},,,,Red,\"12,000\",\"${price} \",http://photos.test/bay/{stock}.jpg\n"
    )
}

const VINS: [&str; 6] = [
    "1HGCM82633A004352",
    "5TDXZ3DC2KS015402",
    "1FTEW1EG2JFD44217",
    "KM8K2CAB4PU001140",
    "1M8GDM9AXKP042788",
    "1HGCM82633A004352",
];

/// Six good rows.
fn stock() -> String {
    let rows: String = VINS
        .iter()
        .enumerate()
        .map(|(n, vin)| row(&format!("A{n}"), vin, 9_000))
        .collect();
    format!("{HEADER}{rows}")
}

fn pull(source: &str) -> PullSource {
    PullSource {
        source: source.to_owned(),
    }
}

fn feed() -> BuildFeed {
    BuildFeed {
        feed: "google-vehicle-ads".to_owned(),
    }
}

async fn add_feed(test: &TestApp) {
    let (key, text) = feeds::BUILT_IN[0];
    let definition = serde_json::to_value(feeds::Definition::parse(text).unwrap()).unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    stores::Feeds::put(&mut conn, key, key, &definition)
        .await
        .unwrap();
}

async fn files(test: &TestApp) -> Vec<SourceFile> {
    Files::list(&mut test.app.pool.acquire().await.unwrap(), None, 10)
        .await
        .unwrap()
}

async fn load(test: &mut TestApp, name: &str, bytes: &[u8]) -> SourceFile {
    test.dropped("bayview", name, bytes);
    let step = test.stepper.perform(&pull("bayview")).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    all_done(&test.run_all().await);
    files(test).await.remove(0)
}

fn all_done(steps: &[Step]) {
    for step in steps {
        assert_eq!(
            step.outcome.word(),
            "done",
            "{}: {:?}",
            step.kind,
            step.outcome
        );
    }
}

async fn bayview() -> TestApp {
    let test = TestApp::start().await;
    test.source("bayview", "homenet").await;
    test
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_becomes_decoded_stock() {
    let mut test = bayview().await;
    let file = load(&mut test, "stock.csv", stock().as_bytes()).await;
    assert_eq!(
        (file.state, file.counts.rows, file.counts.created),
        (FileState::Loaded, 6, 6)
    );
    let mut conn = test.app.pool.acquire().await.unwrap();
    let listings = Listings::list(&mut conn, &ListingFilter::default(), 0, 10)
        .await
        .unwrap();
    let accord = &listings[0];
    assert_eq!(accord.details.make.as_deref(), Some("Honda"));
    assert_eq!(accord.details.year, Some(2003));
    let by = |field| accord.provenance.get(field).unwrap().source;
    assert_eq!(by(domain::Field::Make), domain::Source::Vin);
    assert_eq!(by(domain::Field::PriceCents), domain::Source::File);
    assert_eq!(Vins::counts(&mut conn).await.unwrap(), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_seen_before_is_not_loaded_again() {
    let mut test = bayview().await;
    load(&mut test, "stock.csv", stock().as_bytes()).await;
    // The same bytes under another name, and the same file again.
    test.dropped("bayview", "again.csv", stock().as_bytes());
    let step = test.stepper.perform(&pull("bayview")).await.unwrap();
    let Outcome::Done(report) = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert_eq!(
        (report["listed"].as_i64(), report["new"].as_i64()),
        (Some(2), Some(0))
    );
    assert!(test.run_all().await.is_empty());
    assert_eq!(files(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_the_same_file_twice_changes_nothing() {
    let mut test = bayview().await;
    let file = load(&mut test, "stock.csv", stock().as_bytes()).await;
    let before = state(&test).await;
    let step = test
        .stepper
        .perform(&LoadFile { file: file.id })
        .await
        .unwrap();
    assert_eq!(step.outcome.word(), "done");
    assert_eq!(state(&test).await, before);
    // And as a new file of the same rows: a byte more at the end.
    let again = load(&mut test, "stock.csv", format!("{}\n", stock()).as_bytes()).await;
    assert_eq!(
        (
            again.counts.unchanged,
            again.counts.updated,
            again.counts.created
        ),
        (6, 0, 0)
    );
    assert_eq!(state(&test).await, before);
}

async fn state(test: &TestApp) -> Vec<domain::Listing> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Listings::list(&mut conn, &ListingFilter::default(), 0, 100)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dirty_row_is_counted_and_named() {
    let mut test = bayview().await;
    let text = format!(
        "{HEADER}{}{}{}{}{}{}{}",
        row("A1", VINS[0], 9_000),
        row("A2", "1HGCM8263OA004352", 9_000),
        row("A1", VINS[1], 9_000),
        row("", VINS[1], 9_000),
        "Used,A5\n",
        row("A6", VINS[1], 9_000).replace("$9000 ", "Not Priced"),
        row("A7", VINS[2], 9_000).replace(",,,,Red", ",1000,,,Red"),
    );
    let file = load(&mut test, "dirty.csv", text.as_bytes()).await;
    let counts = file.counts;
    assert_eq!(
        (
            counts.rows,
            counts.created,
            counts.rejected,
            counts.duplicates
        ),
        (7, 3, 3, 1)
    );
    let mut conn = test.app.pool.acquire().await.unwrap();
    let rules: BTreeMap<String, bool> = Files::rejects(&mut conn, file.id)
        .await
        .unwrap()
        .into_iter()
        .map(|r| (r.rule, r.row_lost))
        .collect();
    let expected = [
        ("not_priced", false),
        ("ragged_row", true),
        ("stock_number_missing", true),
        ("stock_number_twice", true),
        ("vin_ioq", true),
        ("year_unknown", false),
    ];
    assert_eq!(
        rules,
        expected.map(|(rule, lost)| (rule.to_owned(), lost)).into()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_table_is_held_by_name_and_the_night_goes_on() {
    let mut test = bayview().await;
    let cases: [(&str, &[u8], &str); 8] = [
        ("a.csv", b"%PDF-1.7 not a table", "file_wrong_magic"),
        ("a2.csv", b"PK\x03\x04 no archive either", "file_packed"),
        ("a3.csv", b"<stock><unit><vin>1</vin>", "file_unreadable"),
        ("b.csv", b" \n", "file_empty"),
        ("c.csv", b"Make,Model\nFord,F-150\n", "file_missing_column"),
        ("d.csv", b"stock,vin\nA1,\"1HGCM82633", "file_open_quote"),
        ("e.csv", b"\xff\xfes\0t", "file_truncated"),
        ("f.csv", b"stock\0,vin\nA1,x\n", "file_binary"),
    ];
    for (name, bytes, rule) in cases {
        let file = load(&mut test, name, bytes).await;
        assert_eq!(file.state, FileState::Held, "{name}");
        let mut conn = test.app.pool.acquire().await.unwrap();
        let rejects = Files::rejects(&mut conn, file.id).await.unwrap();
        assert_eq!(rejects[0].rule, rule, "{name}");
    }
    let good = load(&mut test, "good.csv", stock().as_bytes()).await;
    assert_eq!(good.state, FileState::Loaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_would_empty_the_lot_is_held_until_released() {
    let mut test = bayview().await;
    load(&mut test, "monday.csv", stock().as_bytes()).await;
    let short = format!("{HEADER}{}", row("A0", VINS[0], 9_000));
    let held = load(&mut test, "tuesday.csv", short.as_bytes()).await;
    assert_eq!(held.state, FileState::Held);
    assert!(
        held.held_reason.clone().unwrap().contains("remove 5 of 6"),
        "{:?}",
        held.held_reason
    );
    assert_eq!(state(&test).await.len(), 6, "nothing is removed silently");
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert_eq!(Alerts::open(&mut conn).await.unwrap()[0].what, "file_held");
    // A release is for what was shown: held for another reason, the guard looks at it for the first time.
    let died = "UPDATE source_rejects SET rule = 'load_died' WHERE rule = 'guard'";
    stores::execute_for_tests(&test.app.pool, died)
        .await
        .unwrap();
    assert!(Files::release(&mut conn, held.id, "ops").await.unwrap());
    let load_held = LoadFile { file: held.id };
    all_done(&[test.stepper.perform(&load_held).await.unwrap()]);
    assert_eq!(state(&test).await.len(), 6, "held again");
    assert!(Files::release(&mut conn, held.id, "ops").await.unwrap());
    drop(conn);
    all_done(&[test
        .stepper
        .perform(&LoadFile { file: held.id })
        .await
        .unwrap()]);
    all_done(&test.run_all().await);
    assert_eq!(state(&test).await.len(), 1);
    assert_eq!(files(&test).await[0].counts.removed, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_alone_is_held_and_empties_the_lot_when_released() {
    let mut test = bayview().await;
    load(&mut test, "monday.csv", row_of(0).as_bytes()).await;
    let held = load(&mut test, "tuesday.csv", HEADER.as_bytes()).await;
    assert!(held.held_reason.unwrap().contains("no rows"));
    released(&mut test, held.id).await;
    assert_eq!(files(&test).await[0].state, FileState::Loaded);
    assert!(state(&test).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_are_no_stock_whoever_releases_them() {
    let mut test = bayview().await;
    load(&mut test, "monday.csv", row_of(0).as_bytes()).await;
    let nameless = format!("{HEADER}{}", row("", VINS[0], 9_000));
    let held = load(&mut test, "tuesday.csv", nameless.as_bytes()).await;
    assert!(held.held_reason.unwrap().contains("none of its 1 rows"));
    released(&mut test, held.id).await;
    assert_eq!(files(&test).await[0].state, FileState::Held);
    assert_eq!(state(&test).await.len(), 1);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let guarded = Files::held_for_another(&mut conn, held.id, "guard").await;
    assert!(guarded.unwrap(), "who released it was shown no units");
}

fn row_of(n: usize) -> String {
    format!("{HEADER}{}", row(&format!("A{n}"), VINS[n], 9_000))
}

async fn released(test: &mut TestApp, file: i64) {
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert!(Files::release(&mut conn, file, "ops").await.unwrap());
    drop(conn);
    all_done(&[test.stepper.perform(&LoadFile { file }).await.unwrap()]);
    all_done(&test.run_all().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_load_goes_on_where_it_stood() {
    let mut test = bayview().await;
    let rows: String = (0..12_000)
        .map(|n| format!("Used,S{n},,,Ford,F-150,Red,1,\"$1{n}\",\n"))
        .collect();
    test.dropped("bayview", "big.csv", format!("{HEADER}{rows}").as_bytes());
    all_done(&[test.stepper.perform(&pull("bayview")).await.unwrap()]);
    let id = files(&test).await[0].id;
    // The third slice meets a database that refuses it; the first two stay.
    sqlx_exec(&test, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.stock_number = 'S11500' THEN RAISE EXCEPTION 'disk full'; END IF; RETURN NEW; END $$").await;
    sqlx_exec(
        &test,
        "CREATE TRIGGER refuse BEFORE INSERT ON listings FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let step = test.stepper.perform(&LoadFile { file: id }).await.unwrap();
    assert_eq!(step.outcome.word(), "retry", "{:?}", step.outcome);
    assert_eq!(files(&test).await[0].next_row, 10_000);
    sqlx_exec(&test, "DROP TRIGGER refuse ON listings").await;
    sqlx_exec(&test, "UPDATE jobs_hot SET run_at = now()").await;
    all_done(&test.run_all().await);
    let file = files(&test).await.remove(0);
    assert_eq!(
        (file.state, file.counts.rows, file.counts.created),
        (FileState::Loaded, 12_000, 12_000)
    );
}

async fn sqlx_exec(test: &TestApp, sql: &'static str) {
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_load_in_order_and_an_older_one_never_takes_the_stock_back() {
    let mut test = bayview().await;
    load(&mut test, "1.csv", stock().as_bytes()).await;
    let short = format!("{HEADER}{}", row("A0", VINS[0], 9_000));
    let held = load(&mut test, "2.csv", short.as_bytes()).await;
    let newer = load(
        &mut test,
        "3.csv",
        stock().replace("$9000", "$8000").as_bytes(),
    )
    .await;
    assert_eq!(newer.state, FileState::Loaded);
    // Yesterday's held file is released after today's was loaded.
    Files::release(&mut test.app.pool.acquire().await.unwrap(), held.id, "ops")
        .await
        .unwrap();
    all_done(&[test
        .stepper
        .perform(&LoadFile { file: held.id })
        .await
        .unwrap()]);
    assert_eq!(state(&test).await.len(), 6);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let again = Files::get(&mut conn, held.id).await.unwrap();
    assert!(again.held_reason.unwrap().contains("newer file"));
    drop(conn);
    // A dealer who goes back to the first stock sends its bytes again, and is heard.
    let back = load(&mut test, "4.csv", stock().as_bytes()).await;
    assert_eq!((back.state, back.counts.updated), (FileState::Loaded, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_whose_row_is_lost_stays_on_the_lot() {
    let mut test = bayview().await;
    load(&mut test, "1.csv", stock().as_bytes()).await;
    let file = load(
        &mut test,
        "2.csv",
        stock().replace(VINS[1], "1HGCM8263OA004352").as_bytes(),
    )
    .await;
    assert_eq!((file.counts.rejected, file.counts.removed), (1, 0));
    assert_eq!(state(&test).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_behind_a_ragged_row_stays_on_the_lot() {
    let mut test = bayview().await;
    load(&mut test, "1.csv", stock().as_bytes()).await;
    // One comma more, in front of everything: each cell is one place further on.
    let mut lines: Vec<String> = stock().lines().map(str::to_owned).collect();
    lines[2].insert(0, ',');
    let file = load(&mut test, "2.csv", lines.join("\n").as_bytes()).await;
    assert_eq!((file.counts.rejected, file.counts.removed), (1, 0));
    assert_eq!(state(&test).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_had_does_not_hold_up_those_behind_it() {
    let mut test = bayview().await;
    // Larger than a file may be, and taking no room.
    let huge = std::fs::File::create(test.root.join("drop/bayview/aaa.csv")).unwrap();
    huge.set_len(partners::sftp::LARGEST_FILE + 1).unwrap();
    test.dropped("bayview", "stock.csv", stock().as_bytes());
    let step = test.stepper.perform(&pull("bayview")).await.unwrap();
    assert_eq!(step.outcome.word(), "retry", "{:?}", step.outcome);
    // The pull itself may be due again by now, and fails on the same file.
    let mut steps = test.run_all().await;
    steps.retain(|step| step.kind != "pull_source");
    assert!(!steps.is_empty());
    all_done(&steps);
    assert_eq!(state(&test).await.len(), 6);
    test.forgive_left_behind();
}

#[tokio::test(flavor = "multi_thread")]
async fn equipment_loads_beside_vehicles() {
    let mut test = bayview().await;
    test.source("iron", "equipment").await;
    let machines = "Stock Number|Machine Serial Number|Year|Make|Model|Machine Hours|Price|Parent Stock Number\nE1|CAT1|2015|Caterpillar|320D|4412|$99,000|\nE2|BKT2|1000|Caterpillar|Bucket||$9,000|E1\n";
    test.dropped("iron", "machines.csv", machines.as_bytes());
    all_done(&[test.stepper.perform(&pull("iron")).await.unwrap()]);
    all_done(&test.run_all().await);
    load(&mut test, "stock.csv", stock().as_bytes()).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert_eq!(Listings::counts(&mut conn).await.unwrap(), (6, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vin_fills_blanks_notes_contradictions_and_tells_bad_digits() {
    let mut test = bayview().await;
    let text = format!(
        "{HEADER}Used,A1,{},2003,Toyota,,Red,1,1,\nUsed,A2,1HGCM82643A004352,,,,Red,1,1,\n",
        VINS[0]
    );
    load(&mut test, "stock.csv", text.as_bytes()).await;
    let listings = state(&test).await;
    assert_eq!(
        listings[0].details.make.as_deref(),
        Some("Toyota"),
        "the dealer's word stands"
    );
    assert_eq!(
        listings[0].details.model.as_deref(),
        Some("Accord"),
        "a blank is filled"
    );
    assert_eq!(
        listings[1].details.make, None,
        "nothing is filled from a vin with a wrong digit"
    );
    let mut conn = test.app.pool.acquire().await.unwrap();
    let found = Vins::contradictions(&mut conn, listings[0].id)
        .await
        .unwrap();
    assert_eq!(
        (found[0].field.as_str(), found[0].vin_value.as_str()),
        ("make", "Honda")
    );
    assert_eq!(Alerts::open(&mut conn).await.unwrap()[0].what, "bad_vins");
    drop(conn);
    let ids: Vec<i64> = listings.iter().map(|l| l.id).collect();
    all_done(&[test
        .stepper
        .perform(&DecodeVins { listings: ids })
        .await
        .unwrap()]);
    assert_eq!(state(&test).await, listings);
    let mended = text.replace("1HGCM82643A004352", VINS[1]);
    load(&mut test, "mended.csv", mended.as_bytes()).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert!(Alerts::open(&mut conn).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_published_and_the_same_bytes_are_not_published_again() {
    let mut test = bayview().await;
    add_feed(&test).await;
    load(&mut test, "stock.csv", stock().as_bytes()).await;
    all_done(&[test.stepper.perform(&feed()).await.unwrap()]);
    all_done(&[test.stepper.perform(&feed()).await.unwrap()]);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let runs = stores::Feeds::runs(&mut conn, "google-vehicle-ads", 10)
        .await
        .unwrap();
    let states: Vec<&str> = runs.iter().rev().map(|run| run.state.as_str()).collect();
    assert_eq!(states, ["published", "unchanged"]);
    assert_eq!(runs[0].digest, runs[1].digest);
    // Five of six: the sixth repeats a VIN.
    assert_eq!((runs[1].rows, runs[1].excluded), (5, 1));
    let left_out = stores::Feeds::exclusions(&mut conn, runs[1].id, 0, 10)
        .await
        .unwrap();
    assert_eq!(left_out[0].reasons, ["vin_duplicate"]);
    let bytes = test
        .app
        .objects
        .get(runs[1].object_key.as_deref().unwrap())
        .await
        .unwrap();
    assert_eq!(
        bytes,
        test.app
            .objects
            .get("feeds/google-vehicle-ads/latest.tsv")
            .await
            .unwrap()
    );
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_falls_too_far_is_held_and_latest_stays() {
    let mut test = bayview().await;
    add_feed(&test).await;
    load(&mut test, "stock.csv", stock().as_bytes()).await;
    all_done(&[test.stepper.perform(&feed()).await.unwrap()]);
    let before = test
        .app
        .objects
        .get("feeds/google-vehicle-ads/latest.tsv")
        .await
        .unwrap();
    // All photos gone but one: rows fall from five to one.
    let rows: String = VINS
        .iter()
        .enumerate()
        .map(|(n, vin)| {
            let row = row(&format!("A{n}"), vin, 9_000);
            if n == 0 {
                row
            } else {
                row.replace(&format!("http://photos.test/bay/A{n}.jpg"), "")
            }
        })
        .collect();
    let bare = format!("{HEADER}{rows}");
    load(&mut test, "bare.csv", bare.as_bytes()).await;
    all_done(&[test.stepper.perform(&feed()).await.unwrap()]);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let run = stores::Feeds::runs(&mut conn, "google-vehicle-ads", 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(run.state, "held", "{run:?}");
    assert!(
        Alerts::open(&mut conn)
            .await
            .unwrap()
            .iter()
            .any(|a| a.what == "feed_held")
    );
    assert_eq!(
        test.app
            .objects
            .get("feeds/google-vehicle-ads/latest.tsv")
            .await
            .unwrap(),
        before
    );
}

/// It is nobody's fault here: no attempt is used.
#[tokio::test(flavor = "multi_thread")]
async fn without_object_storage_a_pull_waits() {
    let mut test = bayview().await;
    test.dropped("bayview", "stock.csv", stock().as_bytes());
    drop(test.objects.take());
    let step = test.stepper.perform(&pull("bayview")).await.unwrap();
    assert_eq!(step.outcome.word(), "snooze", "{:?}", step.outcome);
    assert!(files(&test).await.is_empty());
    test.forgive_left_behind();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_is_not_tried_again() {
    let mut test = bayview().await;
    sqlx_exec(&test, "UPDATE sources SET host_key = 'SHA256:other'").await;
    let step = test.stepper.perform(&pull("bayview")).await.unwrap();
    let Outcome::Dead(error) = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert!(error.message.contains("host key"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_is_left_alone_and_told() {
    let mut test = bayview().await;
    test.dropped("bayview", "a..b.csv", b"trick");
    all_done(&[test.stepper.perform(&pull("bayview")).await.unwrap()]);
    assert!(files(&test).await.is_empty());
    let alerts = Alerts::open(&mut test.app.pool.acquire().await.unwrap())
        .await
        .unwrap();
    assert_eq!(alerts[0].what, "unsafe_file_name");
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_takes_what_is_past_its_retention_and_nothing_unfinished() {
    let mut test = bayview().await;
    for _ in 0..3 {
        all_done(&[test.stepper.perform(&pull("bayview")).await.unwrap()]);
    }
    sqlx_exec(&test, "UPDATE jobs_history SET finished_at = now() - interval '15 days' WHERE id <> (SELECT max(id) FROM jobs_history)").await;
    sqlx_exec(&test, "INSERT INTO jobs_hot (lane, kind, version, priority, run_at, max_attempts, created_at, args) SELECT id, 'pull_source', 1, 1, now() + interval '1 day', 1, now() - interval '90 days', '{}' FROM lanes LIMIT 1").await;
    let step = test.stepper.perform(&PruneHistory {}).await.unwrap();
    let Outcome::Done(report) = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert_eq!(report["jobs"], 2, "{report}");
    assert_eq!(test.stepper.left_behind().await.unwrap().len(), 1);
    test.forgive_left_behind();
}

/// Three schedulers, one tick: one row, one job.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_made_once_by_any_number_of_schedulers() {
    let mut test = bayview().await;
    let args = serde_json::json!({ "source": "bayview" });
    {
        let mut conn = test.app.pool.acquire().await.unwrap();
        stores::Schedules::ensure(
            &mut conn,
            "nightly",
            "* * * * *",
            "America/Denver",
            "pull_source",
            &args,
        )
        .await
        .unwrap();
    }
    sqlx_exec(
        &test,
        "UPDATE schedules SET ticked_to = now() - interval '3 minutes'",
    )
    .await;
    let looks = (0..3).map(|_| jobs::loops::tick_all(&test.app));
    for look in futures::future::join_all(looks).await {
        look.unwrap();
    }
    let ticks =
        stores::Schedules::ticks(&mut test.app.pool.acquire().await.unwrap(), "nightly", 10)
            .await
            .unwrap();
    assert_eq!(ticks.len(), 3, "{ticks:?}");
    assert_eq!(ticks.iter().filter(|t| t.verdict == "ran").count(), 1);
    assert_eq!(
        ticks
            .iter()
            .filter(|t| t.verdict.starts_with("missed"))
            .count(),
        2
    );
    assert_eq!(test.run_all().await.len(), 1);
}

#[tokio::test]
async fn a_schedule_that_cannot_run_says_why() {
    let schedule = |cron: &str, zone: &str, kind: &str| stores::Schedule {
        id: 1,
        key: "x".to_owned(),
        cron: cron.to_owned(),
        time_zone: zone.to_owned(),
        kind: kind.to_owned(),
        args: serde_json::json!({}),
        overlap: stores::Overlap::Skip,
        catch_up_seconds: 86_400,
        paused_by: None,
        ticked_to: jiff::Timestamp::UNIX_EPOCH,
    };
    let why = |cron, zone, kind| {
        jobs::loops::check_schedule(&schedule(cron, zone, kind))
            .unwrap_err()
            .to_string()
    };
    assert!(why("every night", "UTC", "prune_history").contains("not a cron expression"));
    assert!(why("0 2 * * *", "Mars/Olympus", "prune_history").contains("time zone"));
    assert!(why("0 0 30 2 *", "UTC", "prune_history").contains("never fires"));
    assert!(why("0 2 * * *", "UTC", "wash_cars").contains("wash_cars"));
    assert!(why("0 2 * * *", "UTC", "pull_source").contains("arguments"));
    jobs::loops::check_schedule(&schedule("0 2 * * *", "UTC", "prune_history")).unwrap();
}

/// The arguments are in the queue when the next version is deployed: their form may only grow.
#[test]
fn arguments_keep_their_form() {
    let forms = [
        (PullSource::NAME, serde_json::to_string(&pull("b")).unwrap()),
        (
            LoadFile::NAME,
            serde_json::to_string(&LoadFile { file: 7 }).unwrap(),
        ),
        (
            DecodeVins::NAME,
            serde_json::to_string(&DecodeVins {
                listings: vec![1, 2],
            })
            .unwrap(),
        ),
        (
            HashPhotos::NAME,
            serde_json::to_string(&HashPhotos::of(&[1])).unwrap(),
        ),
        (
            RebuildParents::NAME,
            serde_json::to_string(&RebuildParents {}).unwrap(),
        ),
        (BuildFeed::NAME, serde_json::to_string(&feed()).unwrap()),
        (
            ArchiveListings::NAME,
            serde_json::to_string(&ArchiveListings::default()).unwrap(),
        ),
        (
            RestoreListings::NAME,
            serde_json::to_string(&RestoreListings {
                archive: 1,
                listing: None,
                dealer: None,
            })
            .unwrap(),
        ),
        (
            PruneHistory::NAME,
            serde_json::to_string(&PruneHistory {}).unwrap(),
        ),
        (
            jobs::DeliverAlert::NAME,
            serde_json::to_string(&jobs::DeliverAlert { alert: 3 }).unwrap(),
        ),
        (
            jobs::ClearDrop::NAME,
            serde_json::to_string(&jobs::ClearDrop {
                file: 7,
                source: "bayview".into(),
                again: None,
            })
            .unwrap(),
        ),
        (
            jobs::ExportReport::NAME,
            serde_json::to_string(&jobs::ExportReport {
                source: "bayview".into(),
            })
            .unwrap(),
        ),
        (
            jobs::ActOnJobs::NAME,
            serde_json::to_string(&jobs::ActOnJobs { bulk: 5 }).unwrap(),
        ),
        (
            jobs::ProbePartner::NAME,
            serde_json::to_string(&jobs::ProbePartner {
                partner: "sftp b".to_owned(),
            })
            .unwrap(),
        ),
        (
            jobs::RefreshVins::NAME,
            serde_json::to_string(&jobs::RefreshVins {
                provider: "nhtsa".into(),
            })
            .unwrap(),
        ),
        (
            jobs::RefreshHistory::NAME,
            serde_json::to_string(&jobs::RefreshHistory {
                provider: "past".into(),
            })
            .unwrap(),
        ),
        (
            jobs::RefreshValuations::NAME,
            serde_json::to_string(&jobs::RefreshValuations {
                provider: "worth".into(),
            })
            .unwrap(),
        ),
        (
            jobs::UploadPhotos::NAME,
            serde_json::to_string(&jobs::UploadPhotos {
                provider: "shop".into(),
            })
            .unwrap(),
        ),
        (
            jobs::RevisitPhotos::NAME,
            serde_json::to_string(&jobs::RevisitPhotos { nights: 30 }).unwrap(),
        ),
    ];
    let expected = [
        ("pull_source", r#"{"source":"b"}"#),
        ("load_file", r#"{"file":7}"#),
        ("decode_vins", r#"{"listings":[1,2]}"#),
        ("hash_photos", r#"{"listings":[1],"tries":0}"#),
        ("rebuild_parents", "{}"),
        ("build_feed", r#"{"feed":"google-vehicle-ads"}"#),
        ("archive_listings", r#"{"after_days":90}"#),
        ("restore_listings", r#"{"archive":1,"listing":null}"#),
        ("prune_history", "{}"),
        ("deliver_alert", r#"{"alert":3}"#),
        ("clear_drop", r#"{"file":7,"source":"bayview"}"#),
        ("export_report", r#"{"source":"bayview"}"#),
        ("act_on_jobs", r#"{"bulk":5}"#),
        ("probe_partner", r#"{"partner":"sftp b"}"#),
        ("refresh_vins", r#"{"provider":"nhtsa"}"#),
        ("refresh_history", r#"{"provider":"past"}"#),
        ("refresh_valuations", r#"{"provider":"worth"}"#),
        ("upload_photos", r#"{"provider":"shop"}"#),
        ("revisit_photos", r#"{"nights":30}"#),
    ];
    assert_eq!(
        forms.map(|(name, json)| (name, json)),
        expected.map(|(name, json)| (name, json.to_owned()))
    );
    assert_eq!(jobs::catalogue().iter().count(), expected.len());
    assert!(jobs::catalogue().problems().is_empty());
}

#[tokio::test]
async fn a_test_that_leaves_a_job_behind_fails() {
    let test = bayview().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let order = queue::Enqueue::of(&pull("bayview")).unwrap();
    queue::Engine::enqueue(&test.app.engine, &mut conn, &[order])
        .await
        .unwrap();
    drop(conn);
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(test)));
    let words = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(words.contains("pull_source"), "{words}");
}
