//! Mappings of one's own: what may be put, what taking one back means, and whose unit a row of a group's file is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::LoadFile;
use jobs::mappings::{put, revert, text};
use jobs::testing::TestApp;
use stores::{Audit, Dealers, Files, ListingFilter, Listings, OwnMappings};

fn of_group(keys: &str, price: &str) -> String {
    format!(
        "name: group\nkind: vehicle\ndealer: {{key: Lot, keys: {{{keys}}}}}\ncolumns:\n  \
        - {{to: stock_number, from: [Stock]}}\n  - {{to: make, from: [Make]}}\n  - {{to: price_cents, from: [{price}], as: money}}\n"
    )
}

const OF_ONE: &str = "name: one\nkind: vehicle\ncolumns: [{to: stock_number, from: [s]}]\n";
const REPORTS: &str = "name: one\nkind: vehicle\nholds: reports\ndealer: {key: lot}\ncolumns: [{to: stock_number, from: [vin]}, {to: vin, from: [vin]}]\n";

async fn rooftop(test: &TestApp, key: &str) -> i64 {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = domain::Dealer {
        key: key.to_owned(),
        ..domain::Dealer::default()
    };
    Dealers::put(&mut conn, &dealer).await.unwrap()
}

#[tokio::test]
async fn a_row_is_the_unit_of_the_dealer_its_key_means_and_nobody_elses() {
    let mut test = TestApp::start().await;
    let bayview = rooftop(&test, "bayview-motors").await;
    let hill = rooftop(&test, "hill").await;
    let mapping = of_group("MP12345: bayview-motors", "Price");
    put(&test.app, "group", &mapping, "jane").await.unwrap();
    let file = "Stock,Lot,Make,Price\n7,mp12345,Ford,100\n7,Hill,Jeep,200\n8,MP99999,Audi,300\n9,,Audi,300\n";
    let file = test.handed_in("group", None, false, file.as_bytes()).await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let mut units = Listings::list(&mut conn, &ListingFilter::default(), 0, 10)
        .await
        .unwrap();
    units.sort_by_key(|unit| unit.details.price_cents);
    let units: Vec<_> = units
        .into_iter()
        .map(|unit| (unit.dealer_id, unit.stock_number, unit.details.make))
        .collect();
    let unit = |dealer, make: &str| (dealer, "7".to_owned(), Some(make.to_owned()));
    assert_eq!(units, [unit(bayview, "Ford"), unit(hill, "Jeep")]);
    let rejects = Files::rejects(&mut conn, file).await.unwrap();
    let lost: Vec<_> = rejects
        .iter()
        .map(|reject| (reject.row, reject.rule.as_str(), reject.value.as_str()))
        .collect();
    assert_eq!(
        lost,
        [(3, "dealer_unknown", "mp99999"), (4, "dealer_missing", "")]
    );
}

#[tokio::test]
async fn every_version_is_kept_and_an_older_one_comes_back_as_the_newest() {
    let test = TestApp::start().await;
    let (old, new) = (of_group("", "Cost"), of_group("", "Price"));
    for (text, version) in [(&old, 1), (&new, 2), (&new, 2)] {
        let done = put(&test.app, "group", text, "jane").await;
        assert_eq!(done.unwrap(), version);
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert_eq!(text(&mut conn, "group", None).await.unwrap(), new);
    assert_eq!(text(&mut conn, "group", Some(1)).await.unwrap(), old);
    assert_eq!(revert(&test.app, "group", 1, "joe").await.unwrap(), 3);
    assert_eq!(text(&mut conn, "group", None).await.unwrap(), old);
    let versions = OwnMappings::versions(&mut conn, "group").await.unwrap();
    let versions: Vec<_> = versions.iter().map(|v| (v.version, &*v.put_by)).collect();
    assert_eq!(versions, [(3, "joe"), (2, "jane"), (1, "jane")]);
    let noted = Audit::list(&mut conn, 1).await.unwrap().remove(0);
    assert_eq!(
        (&*noted.action, &*noted.subject),
        ("revert to version 1", "mapping group, version 3")
    );
    for (name, version, why) in [
        ("group", Some(9), "group, version 9"),
        ("homenet", Some(1), "homenet is built in"),
        ("nobody", None, "nobody"),
    ] {
        let refused = text(&mut conn, name, version).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[tokio::test]
async fn a_mapping_by_which_a_source_could_not_read_its_files_is_refused() {
    let test = TestApp::start().await;
    let group = of_group("", "Price");
    put(&test.app, "group", &group, "jane").await.unwrap();
    test.handed_in("group", None, true, b"Stock,Lot\n1,a\n")
        .await;
    for (name, text, why) in [
        ("group", OF_ONE, "source upload has no dealer"),
        ("group", REPORTS, "source upload reads units by it"),
        ("group", "name: group\n", "missing field `kind`"),
        ("homenet", OF_ONE, "homenet is built in"),
        ("../x", OF_ONE, "1 to 64 of a-z"),
        ("", OF_ONE, "1 to 64 of a-z"),
    ] {
        let refused = put(&test.app, name, text, "jane").await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    let versions = OwnMappings::versions(&mut conn, "group").await.unwrap();
    assert_eq!(versions.len(), 1);
    // What no source reads by may be anything.
    for (text, version) in [(OF_ONE, 1), (REPORTS, 2)] {
        let done = put(&test.app, "free", text, "jane").await;
        assert_eq!(done.unwrap(), version);
    }
}

/// One file of two rooftops: what stands at the other tonight has moved there, with its price and its days.
#[tokio::test]
async fn a_unit_that_changes_its_rooftop_within_a_file_goes_on() {
    let mut test = TestApp::start().await;
    rooftop(&test, "l1").await;
    rooftop(&test, "l2").await;
    stores::execute_for_tests(&test.app.pool, "UPDATE dealers SET group_name = 'north'")
        .await
        .unwrap();
    let mapping = "name: group\nkind: vehicle\ndealer: {key: Lot}\ncolumns:\n  - {to: stock_number, from: [Stock]}\n  \
        - {to: vin, from: [VIN]}\n  - {to: price_cents, from: [Price], as: money}\n";
    put(&test.app, "group", mapping, "jane").await.unwrap();
    let vins = [
        "1HGCM82633A004352",
        "5TDXZ3DC2KS015402",
        "1FTEW1EG2JFD44217",
    ];
    let file = |lots: [&str; 3], price: u32| {
        let row = |n: usize| format!("A{n},{},{},{price}\n", lots[n], vins[n]);
        format!("Stock,Lot,VIN,Price\n{}{}{}", row(0), row(1), row(2))
    };
    for (lots, price) in [(["l1", "l1", "l2"], 30_000), (["l2", "l2", "l2"], 29_000)] {
        let text = file(lots, price);
        let id = test.handed_in("group", None, false, text.as_bytes()).await;
        stores::execute_for_tests(
            &test.app.pool,
            "UPDATE sources SET max_removed_percent = 100",
        )
        .await
        .unwrap();
        let step = test.stepper.perform(&LoadFile { file: id }).await.unwrap();
        assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
        test.run_all().await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let counts = Files::get(&mut conn, id).await.unwrap().counts;
        assert_eq!((counts.removed, counts.rejected), (0, 0));
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    let drops = stores::Reports::price_drops(&mut conn, None, 7, 1, 10)
        .await
        .unwrap();
    let mut where_they_are: Vec<_> = drops
        .iter()
        .map(|drop| (&*drop.stock_number, &*drop.dealer))
        .collect();
    where_they_are.sort_unstable();
    assert_eq!(where_they_are, [("A0", "l2"), ("A1", "l2"), ("A2", "l2")]);
    for (number, whence) in [("A0", &["l1"][..]), ("A1", &["l1"]), ("A2", &[])] {
        let drop = drops.iter().find(|drop| drop.stock_number == number);
        let moves = stores::Reports::moves(&mut conn, drop.unwrap().listing);
        let moves = moves.await.unwrap();
        let from: Vec<_> = moves.iter().map(|moved| moved.dealer.as_str()).collect();
        assert_eq!(from, whence, "{number}");
    }
}
