//! Parents follow their units, by way of the change log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::{Kind, Listing};
use jobs::testing::TestApp;
use jobs::{BuildFeed, LoadFile, RebuildParents};
use queue::Job;
use stores::{Alerts, Dealers, ListingFilter, Listings, Parents};

const HEAD: &str =
    "Stock Number|Year|Make|Model|Category|New/Used|Machine Hours|Price|Parent Stock Number\n";

async fn load(test: &mut TestApp, rows: &str) {
    let dealer = domain::Dealer {
        key: "ironridge".to_owned(),
        store_code: "IRN01".to_owned(),
        ..domain::Dealer::default()
    };
    let dealer = {
        let mut conn = test.app.pool.acquire().await.unwrap();
        Dealers::put(&mut conn, &dealer).await.unwrap()
    };
    let text = format!("{HEAD}{rows}");
    let file = test
        .handed_in("equipment", Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    test.follow_changes().await;
}

async fn parents(test: &TestApp) -> Vec<Listing> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let filter = ListingFilter {
        kind: Some(Kind::Parent),
        ..ListingFilter::default()
    };
    Listings::list(&mut conn, &filter, 0, 100).await.unwrap()
}

#[tokio::test]
async fn a_prime_unit_and_its_attachments_have_a_parent_that_follows_them() {
    let mut test = TestApp::start().await;
    load(
        &mut test,
        "E1|2015|John Deere|310SL|Backhoe Loaders|Used|900|$50000|\n\
         E2|2015|John Deere|Bucket|Attachments|Used||$900|E1\n\
         E3|2016|Bobcat|S650|Skid Steer Loaders|Used|100|$20000|\n",
    )
    .await;
    let found = parents(&test).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].stock_number, "parent:prime E1");
    let details = &found[0].details;
    assert_eq!(
        (details.units, details.price_cents),
        (Some(2), Some(90_000))
    );
    assert_eq!(details.model.as_deref(), Some("310SL"));
    let mut conn = test.app.pool.acquire().await.unwrap();
    let members = Parents::members(&mut conn, found[0].id).await.unwrap();
    assert_eq!(members.len(), 2);
    drop(conn);

    // Again: the same units, so nothing is written.
    let step = test.stepper.perform(&RebuildParents {}).await.unwrap();
    assert_eq!(step.outcome.word(), "done");
    assert_eq!(parents(&test).await[0].version, found[0].version);

    // The attachment is sold: the prime unit stands alone, and the parent goes.
    load(
        &mut test,
        "E1|2015|John Deere|310SL|Backhoe Loaders|Used|900|$50000|\n\
         E3|2016|Bobcat|S650|Skid Steer Loaders|Used|100|$20000|\n",
    )
    .await;
    assert!(parents(&test).await.is_empty());
}

#[tokio::test]
async fn a_parent_that_points_to_itself_is_told_and_the_night_goes_on() {
    let mut test = TestApp::start().await;
    load(
        &mut test,
        "E1|2015|John Deere|310SL|Backhoe Loaders|Used|900|$50000|E1\n\
         E2|2015|John Deere|Bucket|Attachments|Used||$900|E3\n\
         E3|2015|John Deere|Forks|Attachments|Used||$700|E2\n",
    )
    .await;
    assert!(parents(&test).await.is_empty());
    let mut conn = test.app.pool.acquire().await.unwrap();
    let alerts = Alerts::open(&mut conn).await.unwrap();
    let told = alerts
        .iter()
        .find(|alert| alert.what == "circular_parents")
        .unwrap();
    assert!(told.message.contains("E1, E2, E3"), "{}", told.message);
}

#[tokio::test]
async fn a_feed_that_follows_the_change_log_is_built_once_for_many_changes() {
    let mut test = TestApp::start().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let mut definition = feeds::Definition::parse(feeds::BUILT_IN[0].1).unwrap();
    definition.after_changes_seconds = Some(0);
    let value = serde_json::to_value(&definition).unwrap();
    stores::Feeds::put(&mut conn, "follows", "follows", &value)
        .await
        .unwrap();
    definition.after_changes_seconds = None;
    let value = serde_json::to_value(&definition).unwrap();
    stores::Feeds::put(&mut conn, "nightly", "nightly", &value)
        .await
        .unwrap();
    drop(conn);
    load(&mut test, "E1|2015|John Deere|310SL|Backhoe Loaders|Used|900|$50000|\nE2|2015|Bobcat|S650|Loaders|Used||$900|\n").await;
    jobs::loops::dispatch_all(&test.app).await.unwrap();
    let steps = test.run_all().await;
    let built: Vec<&str> = steps
        .iter()
        .map(|s| s.kind.as_str())
        .filter(|k| *k == BuildFeed::NAME)
        .collect();
    assert_eq!(built.len(), 1, "{steps:?}");
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert_eq!(
        stores::Feeds::runs(&mut conn, "follows", 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        stores::Feeds::runs(&mut conn, "nightly", 10)
            .await
            .unwrap()
            .is_empty()
    );
}
