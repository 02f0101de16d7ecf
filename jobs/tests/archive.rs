//! Units that left the lot leave the hot tables, and come back as they were.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::{Field, Listing, Status, Value};
use jobs::testing::TestApp;
use jobs::{ArchiveListings, LoadFile, PruneHistory, RestoreListings};
use queue::Outcome;
use stores::{Archives, Dealers, ListingFilter, Listings, Overrides, Reports};

const VINS: [&str; 3] = [
    "1HGCM82633A004352",
    "5TDXZ3DC2KS015402",
    "1FTEW1EG2JFD44217",
];

async fn load(test: &mut TestApp, units: &[usize], price: u32) -> i64 {
    let rows: String = units
        .iter()
        .map(|n| format!("A{n},{},{price},Shadow Black\n", VINS[*n]))
        .collect();
    load_text(test, &format!("stock,vin,price,color\n{rows}")).await
}

async fn load_text(test: &mut TestApp, text: &str) -> i64 {
    let dealer = domain::Dealer {
        key: "bayview".to_owned(),
        ..domain::Dealer::default()
    };
    let dealer = {
        let mut conn = test.app.pool.acquire().await.unwrap();
        Dealers::put(&mut conn, &dealer).await.unwrap()
    };
    let file = test
        .handed_in("vehicles", Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    file
}

async fn archive(test: &mut TestApp) -> serde_json::Value {
    let step = test
        .stepper
        .perform(&ArchiveListings { after_days: 0 })
        .await
        .unwrap();
    match step.outcome {
        Outcome::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

async fn restore(test: &mut TestApp, archive: i64, listing: Option<i64>) -> Outcome {
    let job = RestoreListings {
        archive,
        listing,
        dealer: None,
    };
    test.stepper.perform(&job).await.unwrap().outcome
}

async fn all(test: &TestApp, ids: &[i64]) -> Vec<Listing> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Listings::by_ids(&mut conn, ids).await.unwrap()
}

async fn on_the_lot(test: &TestApp) -> Vec<i64> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let any = ListingFilter::default();
    let listings = Listings::list(&mut conn, &any, 0, 100).await.unwrap();
    listings.iter().map(|listing| listing.id).collect()
}

#[tokio::test]
async fn what_left_the_lot_is_archived_found_and_restored_as_it_was() {
    let mut test = TestApp::start().await;
    load(&mut test, &[0, 1, 2], 9_000).await;
    load(&mut test, &[0, 1, 2], 8_000).await;
    let ids = on_the_lot(&test).await;
    load(&mut test, &[0], 8_000).await;
    let before = all(&test, &ids[1..]).await;
    assert!(before.iter().all(|unit| unit.status == Status::Removed));

    assert_eq!(archive(&mut test).await["listings"], 2);
    assert!(all(&test, &ids[1..]).await.is_empty());
    let mut conn = test.app.pool.acquire().await.unwrap();
    let prices = Listings::prices(&mut conn, ids[1]).await.unwrap();
    assert!(prices.is_empty(), "prices left with their unit");
    drop(conn);
    assert_eq!(on_the_lot(&test).await, ids[..1]);
    assert_eq!(archive(&mut test).await["archives"], 0);

    let mut conn = test.app.pool.acquire().await.unwrap();
    let found = Archives::find(&mut conn, "5tdxz3dc2ks015402")
        .await
        .unwrap();
    assert_eq!((found[0].listing_id, found[0].restored), (ids[1], false));
    let row = Archives::get(&mut conn, found[0].archive_id).await.unwrap();
    drop(conn);
    let manifest = format!("{}.manifest.json", row.object_key);
    let manifest = test.app.objects.get(&manifest).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["blake3"], row.digest);

    let one = restore(&mut test, row.id, Some(ids[1])).await;
    assert_eq!(
        one,
        Outcome::Done(serde_json::json!({ "restored": 1, "in_use": 0 }))
    );
    assert_eq!(all(&test, &ids[1..]).await, before[..1]);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let prices = Listings::prices(&mut conn, ids[1]).await.unwrap();
    let cents: Vec<_> = prices.iter().map(|price| price.cents).collect();
    assert_eq!(cents, [Some(900_000), Some(800_000)]);
    drop(conn);

    // The other number is in use again: that unit stays where it is.
    load(&mut test, &[0, 2], 7_000).await;
    let rest = restore(&mut test, row.id, None).await;
    assert_eq!(
        rest,
        Outcome::Done(serde_json::json!({ "restored": 0, "in_use": 1 }))
    );
}

#[tokio::test]
async fn a_damaged_archive_is_refused_by_name() {
    let mut test = TestApp::start().await;
    load(&mut test, &[0, 1], 9_000).await;
    load(&mut test, &[0], 9_000).await;
    archive(&mut test).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let row = Archives::list(&mut conn, 1).await.unwrap().remove(0);
    drop(conn);
    let mut bytes = test.app.objects.get(&row.object_key).await.unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    test.app
        .objects
        .put(&row.object_key, bytes, "application/zstd")
        .await
        .unwrap();
    let Outcome::Dead(error) = restore(&mut test, row.id, None).await else {
        panic!("a damaged archive was restored");
    };
    assert!(error.message.contains(&row.object_key), "{}", error.message);
    assert!(error.message.contains("damaged"), "{}", error.message);
}

#[tokio::test]
async fn a_rooftop_comes_back_from_every_archive_and_a_day_has_its_own() {
    let mut test = TestApp::start().await;
    for units in [&[0, 1, 2][..], &[0, 1], &[0]] {
        load(&mut test, units, 9_000).await;
        archive(&mut test).await;
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    let whose = Some("bayview");
    let archives = Archives::holding(&mut conn, whose, None).await.unwrap();
    assert_eq!(archives.len(), 2);
    let made = Archives::get(&mut conn, archives[0]).await.unwrap().made_at;
    let day = made.to_zoned(jiff::tz::TimeZone::UTC).date();
    let of_day = |day| (None, Some(day));
    for ((dealer, day), found) in [
        ((Some("nobody"), None), 0),
        (of_day(day), 2),
        (of_day(day.yesterday().unwrap()), 0),
    ] {
        let held = Archives::holding(&mut conn, dealer, day).await.unwrap();
        assert_eq!(held.len(), found, "{dealer:?} {day:?}");
    }
    drop(conn);
    for archive in archives {
        for (dealer, back) in [("nobody", 0), ("bayview", 1), ("bayview", 0)] {
            let job = RestoreListings {
                archive,
                listing: None,
                dealer: Some(dealer.to_owned()),
            };
            let outcome = test.stepper.perform(&job).await.unwrap().outcome;
            let told = serde_json::json!({ "restored": back, "in_use": 0 });
            assert_eq!(outcome, Outcome::Done(told));
        }
    }
    let there = on_the_lot(&test).await;
    assert_eq!(there.len(), 1, "they are as they left: removed");
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert!(
        Archives::holding(&mut conn, whose, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn raw_files_and_photos_that_nobody_needs_are_forgotten_and_the_ledger_stays() {
    let mut test = TestApp::start().await;
    let row = |n: usize, photo: &str| {
        format!("A{n},{},9000,http://photos.test/bay/{photo}.jpg\n", VINS[n])
    };
    let head = "stock,vin,price,photos\n";
    let mut files = Vec::new();
    for rows in [
        format!("{head}{}{}", row(0, "kept"), row(1, "gone")),
        format!("{head}{}", row(0, "kept")),
        format!("{head}{}", row(0, "kept").replace("9000", "8000")),
    ] {
        files.push(load_text(&mut test, &rows).await);
    }
    archive(&mut test).await;
    let keys = async |test: &TestApp| {
        let mut conn = test.app.pool.acquire().await.unwrap();
        let mut keys = Vec::new();
        for file in &files {
            keys.push(
                stores::Files::get(&mut conn, *file)
                    .await
                    .unwrap()
                    .object_key,
            );
        }
        keys
    };
    let prune = async |test: &mut TestApp| {
        let step = test.stepper.perform(&PruneHistory {}).await.unwrap();
        match step.outcome {
            Outcome::Done(report) => (report["files"].clone(), report["photo_urls"].clone()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        prune(&mut test).await,
        (0.into(), 0.into()),
        "they are young"
    );
    for sql in [
        "UPDATE source_files SET seen_at = now() - interval '91 days'",
        "UPDATE photo_urls SET fetched_at = now() - interval '91 days'",
    ] {
        stores::execute_for_tests(&test.app.pool, sql)
            .await
            .unwrap();
    }
    let before = keys(&test).await;
    assert_eq!(prune(&mut test).await, (2.into(), 1.into()));
    assert_eq!(keys(&test).await, ["", "", before[2].as_str()]);
    assert!(!test.app.objects.exists(&before[0]).await.unwrap());
    assert!(test.app.objects.exists(&before[2]).await.unwrap());
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert_eq!(stores::Photos::counts(&mut conn).await.unwrap().hashed, 1);
    drop(conn);
    assert_eq!(prune(&mut test).await, (0.into(), 0.into()));
}

#[tokio::test]
async fn what_is_done_to_a_unit_that_left_makes_its_stay_no_longer() {
    let mut test = TestApp::start().await;
    load(&mut test, &[0, 1], 9_000).await;
    let ids = on_the_lot(&test).await;
    load(&mut test, &[0], 9_000).await;
    let days = async |test: &TestApp| {
        let mut conn = test.app.pool.acquire().await.unwrap();
        let unit = Listings::by_ids(&mut conn, &ids[1..]).await.unwrap();
        let vin = unit[0].vin.as_ref().unwrap().to_string();
        Reports::stays(&mut conn, &vin).await.unwrap()[0].days
    };
    assert_eq!(days(&test).await, Some(0));
    let back = "UPDATE listings SET created_at = created_at - interval '30 days',
        updated_at = updated_at - interval '10 days', left_at = left_at - interval '10 days' WHERE stock_number = 'A1'";
    stores::execute_for_tests(&test.app.pool, back)
        .await
        .unwrap();
    assert_eq!(days(&test).await, Some(20));
    // A late word on it.
    let mut tx = test.app.pool.begin().await.unwrap();
    Overrides::put(&mut tx, ids[1], Field::Owners, Value::Number(2), "ops")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(days(&test).await, Some(20));
    archive(&mut test).await;
    assert!(matches!(
        restore(&mut test, 1, None).await,
        Outcome::Done(_)
    ));
    assert_eq!(days(&test).await, Some(20));
    // On the lot again, its days go on.
    load(&mut test, &[0, 1], 9_000).await;
    assert_eq!(days(&test).await, Some(30));
}

#[tokio::test]
async fn what_its_newest_file_still_names_as_sold_is_not_archived() {
    let mut test = TestApp::start().await;
    load_text(
        &mut test,
        "stock,vin,price,status\nA0,,9000,\nA1,,9000,Sold\n",
    )
    .await;
    let later = "UPDATE listings SET updated_at = updated_at - interval '90 days', left_at = now() - interval '90 days'";
    stores::execute_for_tests(&test.app.pool, later)
        .await
        .unwrap();
    let archive = ArchiveListings { after_days: 30 };
    let step = test.stepper.perform(&archive).await.unwrap();
    assert!(
        format!("{:?}", step.outcome).contains("\"listings\": Number(0)"),
        "{:?}",
        step.outcome
    );
    load_text(&mut test, "stock,vin,price,status\nA0,,9000,\n").await;
    let step = test.stepper.perform(&archive).await.unwrap();
    assert!(
        format!("{:?}", step.outcome).contains("\"listings\": Number(1)"),
        "{:?}",
        step.outcome
    );
}
