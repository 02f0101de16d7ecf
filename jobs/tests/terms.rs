//! What a source's files mean for the stock: policies, grace, units that go on under another number or roof,
//! attachments, and words for where a unit stands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::{Dealer, Listing, Status};
use jobs::LoadFile;
use jobs::testing::TestApp;
use stores::{Dealers, FileCounts, Files, Listings, Reports};

const HEAD: &str = "Stock Number,VIN,Make,Model,Price,Color,Status\n";
const MACHINES: &str = "Stock Number,Serial,Make,Model,Price,Parent Stock Number\n";
const VINS: [&str; 3] = [
    "1HGCM82633A004352",
    "5TDXZ3DC2KS015402",
    "1FTEW1EG2JFD44217",
];

async fn rooftop(test: &TestApp, key: &str, group: &str) -> i64 {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = Dealer {
        key: key.to_owned(),
        group_name: group.to_owned(),
        ..Dealer::default()
    };
    Dealers::put(&mut conn, &dealer).await.unwrap()
}

/// As the upload source of the rooftop, under its terms as they stand.
async fn load(test: &mut TestApp, mapping: &str, dealer: i64, text: &str) -> FileCounts {
    let file = test
        .handed_in(mapping, Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let file = Files::get(&mut conn, file).await.unwrap();
    assert_eq!(file.held_reason, None);
    let c = file.counts;
    assert_eq!(
        c.created + c.updated + c.unchanged + c.rejected + c.duplicates,
        c.rows,
        "the ledger balances"
    );
    c
}

async fn terms(test: &TestApp, set: &'static str) {
    stores::execute_for_tests(&test.app.pool, set)
        .await
        .unwrap();
}

/// Every unit there is, whatever its status, by id.
async fn units(test: &TestApp) -> Vec<Listing> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let ids: Vec<i64> = (1..=50).collect();
    Listings::by_ids(&mut conn, &ids).await.unwrap()
}

async fn stands(test: &TestApp) -> Vec<(String, Status)> {
    let mut stands: Vec<(String, Status)> = units(test)
        .await
        .into_iter()
        .map(|unit| (unit.stock_number, unit.status))
        .collect();
    stands.sort();
    stands
}

fn told(stands: &[(&str, Status)]) -> Vec<(String, Status)> {
    stands
        .iter()
        .map(|(number, status)| ((*number).to_owned(), *status))
        .collect()
}

#[tokio::test]
async fn a_row_says_where_its_unit_stands_and_what_is_sold_is_off_the_lot() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let rows = "1,,Ford,F-150,100,,In Stock\n2,,Ford,F-150,100,,Deal Pending\n3,,Ford,F-150,100,,SOLD\n4,,Ford,F-150,100,,wobbly\n";
    let counts = load(&mut test, "vehicles", dealer, &format!("{HEAD}{rows}")).await;
    assert_eq!(
        (counts.created, counts.rejected),
        (4, 0),
        "a word nobody knows costs no row"
    );
    let expected = told(&[
        ("1", Status::Available),
        ("2", Status::Pending),
        ("3", Status::Sold),
        ("4", Status::Available),
    ]);
    assert_eq!(stands(&test).await, expected);
    let again = load(&mut test, "vehicles", dealer, &format!("{HEAD}{rows}")).await;
    assert_eq!(again.unchanged, 4);
}

#[tokio::test]
async fn merge_lets_blanks_stand_and_update_only_makes_and_takes_nothing() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let both = format!("{HEAD}1,,Ford,F-150,100,Red,\n2,,Ford,F-150,100,Red,\n");
    load(&mut test, "vehicles", dealer, &both).await;
    terms(&test, "UPDATE sources SET policy = 'merge'").await;
    let blank = format!("{HEAD}1,,Ford,F-150,90,,\n");
    let counts = load(&mut test, "vehicles", dealer, &blank).await;
    assert_eq!((counts.updated, counts.removed), (1, 1));
    let unit = &units(&test).await[0];
    assert_eq!(unit.details.exterior_color.as_deref(), Some("Red"));
    assert_eq!(unit.details.price_cents, Some(9_000));

    load(&mut test, "vehicles", dealer, &both).await;
    terms(&test, "UPDATE sources SET policy = 'update_only'").await;
    let other = format!("{HEAD}1,,Ford,F-150,80,,\n9,,Ford,Ranger,50,,\n");
    let counts = load(&mut test, "vehicles", dealer, &other).await;
    assert_eq!(
        (
            counts.updated,
            counts.rejected,
            counts.created,
            counts.removed
        ),
        (1, 1, 0, 0)
    );
    let expected = told(&[("1", Status::Available), ("2", Status::Available)]);
    assert_eq!(stands(&test).await, expected);
    // It owns nothing, so the whole stock's next file still retires what it lacks.
    terms(&test, "UPDATE sources SET policy = 'overwrite'").await;
    let counts = load(&mut test, "vehicles", dealer, &blank).await;
    assert_eq!(counts.removed, 1);
}

#[tokio::test]
async fn a_file_that_is_loaded_once_more_uses_up_no_grace() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let with = format!("{HEAD}1,,Ford,F-150,100,,\n2,,Ford,F-150,100,,\n");
    load(&mut test, "vehicles", dealer, &with).await;
    terms(&test, "UPDATE sources SET grace_files = 1").await;
    let without = format!("{HEAD}1,,Ford,F-150,100,,\n");
    assert_eq!(
        load(&mut test, "vehicles", dealer, &without).await.removed,
        0
    );
    let ops = jobs::by_hand::Hand {
        who: "ops",
        by: "test",
    };
    for _ in 0..2 {
        let file = jobs::by_hand::reload(&test.app, "upload", ops)
            .await
            .unwrap();
        test.run_all().await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let file = Files::get(&mut conn, file).await.unwrap();
        assert_eq!((file.counts.unchanged, file.counts.removed), (1, 0));
    }
    let other = format!("{without}\n");
    assert_eq!(load(&mut test, "vehicles", dealer, &other).await.removed, 1);
}

#[tokio::test]
async fn a_unit_that_is_missing_is_waited_for_as_many_files_and_hours_as_agreed() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let with = format!("{HEAD}1,,Ford,F-150,100,,\n2,,Ford,F-150,100,,\n");
    load(&mut test, "vehicles", dealer, &with).await;
    terms(&test, "UPDATE sources SET grace_files = 1").await;
    let without = |price: u32| format!("{HEAD}1,,Ford,F-150,{price},,\n");
    assert_eq!(
        load(&mut test, "vehicles", dealer, &without(99))
            .await
            .removed,
        0
    );
    // Back within its grace: the count begins anew.
    load(&mut test, "vehicles", dealer, &with).await;
    assert_eq!(
        load(&mut test, "vehicles", dealer, &without(98))
            .await
            .removed,
        0
    );
    assert_eq!(
        load(&mut test, "vehicles", dealer, &without(97))
            .await
            .removed,
        1
    );

    load(&mut test, "vehicles", dealer, &with).await;
    terms(
        &test,
        "UPDATE sources SET grace_files = 0, grace_hours = 24",
    )
    .await;
    assert_eq!(
        load(&mut test, "vehicles", dealer, &without(96))
            .await
            .removed,
        0
    );
    let sql = "UPDATE source_files SET seen_at = seen_at - interval '25 hours'";
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
    assert_eq!(
        load(&mut test, "vehicles", dealer, &without(95))
            .await
            .removed,
        1
    );
}

#[tokio::test]
async fn a_unit_under_another_number_goes_on_with_its_history() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let [a, b, _] = VINS;
    load(
        &mut test,
        "vehicles",
        dealer,
        &format!("{HEAD}1,{a},Honda,Accord,100,,\n2,{b},Tesla,Model S,200,,\n"),
    )
    .await;
    let before = units(&test).await;
    // A second row with a VIN of the file is another unit, also when the first is sold by now.
    let sold = format!(
        "{HEAD}1,{a},Honda,Accord,100,,\n2,{b},Tesla,Model S,200,,Sold\n22,{b},Tesla,Model S,200,,\n"
    );
    let counts = load(&mut test, "vehicles", dealer, &sold).await;
    assert_eq!(
        (counts.created, counts.updated, counts.unchanged),
        (1, 1, 1)
    );
    assert_eq!(
        load(&mut test, "vehicles", dealer, &sold).await.unchanged,
        3
    );
    // 1 is 11 now.
    let rows = format!(
        "{HEAD}11,{a},Honda,Accord,90,,\n2,{b},Tesla,Model S,200,,\n22,{b},Tesla,Model S,200,,\n"
    );
    let counts = load(&mut test, "vehicles", dealer, &rows).await;
    assert_eq!(
        (
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.removed
        ),
        (0, 2, 1, 0)
    );
    let after = units(&test).await;
    assert_eq!(
        (after[0].id, after[0].stock_number.as_str()),
        (before[0].id, "11")
    );
    let mut conn = test.app.pool.acquire().await.unwrap();
    assert_eq!(
        Listings::prices(&mut conn, after[0].id)
            .await
            .unwrap()
            .len(),
        2
    );
    let moves = Reports::moves(&mut conn, after[0].id).await.unwrap();
    assert_eq!(
        (
            moves.len(),
            moves[0].dealer.as_str(),
            moves[0].stock_number.as_str()
        ),
        (1, "a", "1")
    );
    drop(conn);
    let again = load(&mut test, "vehicles", dealer, &rows).await;
    assert_eq!(again.unchanged, 3);
}

#[tokio::test]
async fn a_unit_moves_between_rooftops_of_a_group_once_it_left_the_first() {
    let mut test = TestApp::start().await;
    let [a, b] = [
        rooftop(&test, "a", "north").await,
        rooftop(&test, "b", "north").await,
    ];
    let stranger = rooftop(&test, "c", "").await;
    let row = |vin: &str| format!("{HEAD}1,{vin},Honda,Accord,100,,\n");
    load(
        &mut test,
        "vehicles",
        a,
        &format!("{}2,{},Ford,F-150,100,,\n", row(VINS[0]), VINS[2]),
    )
    .await;
    // Still at the first: two rooftops have it, and both are told.
    load(&mut test, "vehicles", stranger, &row(VINS[0])).await;
    assert_eq!(units(&test).await.len(), 3);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let doubles = Reports::doubles(&mut conn, None, 10).await.unwrap();
    assert_eq!((doubles.len(), doubles[0].number.as_str()), (1, VINS[0]));
    assert_eq!(doubles[0].rooftops, ["a 1", "c 1"]);
    drop(conn);
    let left = format!("{HEAD}2,{},Ford,F-150,100,,\n", VINS[2]);
    assert_eq!(load(&mut test, "vehicles", a, &left).await.removed, 1);
    let counts = load(
        &mut test,
        "vehicles",
        b,
        // The commonest transfer keeps its number.
        &format!("{HEAD}1,{},Honda,Accord,95,,\n", VINS[0]),
    )
    .await;
    assert_eq!((counts.created, counts.updated), (0, 1));
    let unit = &units(&test).await[0];
    assert_eq!(
        (unit.dealer_id, unit.stock_number.as_str(), unit.status),
        (b, "1", Status::Available)
    );
}

#[tokio::test]
async fn attachments_may_leave_with_their_prime_unit() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let all = format!(
        "{MACHINES}E1,S1,Deere,310,900,\nE2,S2,Deere,Bucket,90,E1\nE3,S3,Deere,Fork,80,E1\n"
    );
    load(&mut test, "equipment", dealer, &all).await;
    terms(&test, "UPDATE sources SET max_removed_percent = 100").await;
    let without = format!("{MACHINES}E2,S2,Deere,Bucket,90,E1\nE3,S3,Deere,Fork,80,E1\n");
    assert_eq!(
        load(&mut test, "equipment", dealer, &without).await.removed,
        1,
        "kept by default"
    );
    load(&mut test, "equipment", dealer, &all).await;
    terms(&test, "UPDATE sources SET attachments = 'with_prime'").await;
    let other = format!("{without}E9,S9,Deere,650,70000,\n");
    let counts = load(&mut test, "equipment", dealer, &other).await;
    assert_eq!((counts.created, counts.rejected, counts.removed), (1, 2, 3));
    // With the prime unit they come back.
    let counts = load(&mut test, "equipment", dealer, &all).await;
    assert_eq!((counts.updated, counts.removed), (3, 1));
}

/// What is missing is waited for; what is sold is sold, and takes its attachments along.
#[tokio::test]
async fn attachments_are_sold_with_their_prime_unit_whatever_grace_there_is() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let head = "Stock,Serial,Make,Model,Price,Parent Stock Number,Status\n";
    let of = |prime: &str| {
        format!(
            "{head}{prime}E2,S2,Deere,Bucket,90,E1,\nE3,S3,Deere,Fork,80,E2,\nE4,S4,Deere,650,70000,,\n"
        )
    };
    let prime = |status: &str| format!("E1,S1,Deere,310,900,,{status}\n");
    load(&mut test, "equipment", dealer, &of(&prime(""))).await;
    terms(
        &test,
        "UPDATE sources SET attachments = 'with_prime', grace_files = 2, max_removed_percent = 100",
    )
    .await;
    let on_the_lot = async |test: &TestApp| {
        let all = stands(test).await;
        let there = all
            .into_iter()
            .filter(|(number, status)| *status == Status::Available && number.starts_with('E'));
        there.map(|(number, _)| number).collect::<Vec<_>>()
    };
    load(&mut test, "equipment", dealer, &of("")).await;
    assert_eq!(
        on_the_lot(&test).await,
        ["E1", "E2", "E3", "E4"],
        "waited for"
    );
    let counts = load(&mut test, "equipment", dealer, &of(&prime("Sold"))).await;
    assert_eq!((counts.updated, counts.rejected), (3, 0));
    assert_eq!(on_the_lot(&test).await, ["E4"]);
}

#[tokio::test]
async fn a_file_that_was_not_written_to_its_end_is_held() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let whole = format!("{HEAD}{}", rows_of(20));
    load(&mut test, "vehicles", dealer, &whole).await;
    // Of seventeen whole rows: the guard alone would let it by.
    let end = whole.find("S17").unwrap() + "S17,,Fo".len();
    let id = test
        .handed_in("vehicles", Some(dealer), false, &whole.as_bytes()[..end])
        .await;
    test.stepper.perform(&LoadFile { file: id }).await.unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    let file = Files::get(&mut conn, id).await.unwrap();
    let why = file.held_reason.unwrap();
    assert!(why.contains("row, 18, breaks off"), "{why}");
    drop(conn);
    let by = jobs::by_hand::Hand {
        who: "ann",
        by: "test",
    };
    jobs::by_hand::release(&test.app, id, by).await.unwrap();
    test.run_all().await;
    let all = stands(&test).await;
    let left = all.iter().filter(|(_, status)| *status == Status::Removed);
    assert_eq!(left.count(), 2, "released, it is what it says");
    // Whose files always end with a line that adds them up is not held for it every night.
    let sold = whole.find("S16").unwrap();
    let added_up = format!("{}16 units", &whole[..sold]);
    load(&mut test, "vehicles", dealer, &added_up).await;
    assert_eq!(
        load(
            &mut test,
            "vehicles",
            dealer,
            &format!("{HEAD}{}18 units", rows_of(18))
        )
        .await
        .removed,
        0
    );
}

fn rows_of(units: u32) -> String {
    (0..units)
        .map(|n| format!("S{n},,Ford,F-150,100,,\n"))
        .collect()
}

#[tokio::test]
async fn attachments_without_a_serial_move_with_their_prime_unit() {
    let mut test = TestApp::start().await;
    let (a, b) = (
        rooftop(&test, "a", "north").await,
        rooftop(&test, "b", "north").await,
    );
    let prime = "E1,1FF310SLVDE236,Deere,310,900,\n";
    let bucket = "E2,,Deere,Bucket,90,E1\n";
    let other = "E9,1FF650KXPQE901,Deere,650,700,\n";
    let file = |rows: &str| format!("{MACHINES}{rows}");
    load(
        &mut test,
        "equipment",
        a,
        &file(&format!("{prime}{bucket}{other}")),
    )
    .await;
    load(&mut test, "equipment", a, &file(other)).await;
    // The bucket is known by nothing but its number and its prime.
    let there = file(&format!("{prime}{bucket}E3,,Deere,Fork,80,E1\n"));
    let counts = load(&mut test, "equipment", b, &there).await;
    assert_eq!((counts.updated, counts.created), (2, 1), "the fork is new");
    let units = units(&test).await;
    let of = |number: &str| {
        units
            .iter()
            .find(|unit| unit.stock_number == number)
            .unwrap()
    };
    for (number, id) in [("E1", 1), ("E2", 2)] {
        assert_eq!(
            (of(number).id, of(number).dealer_id, of(number).status),
            (id, b, Status::Available)
        );
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    let moves = Reports::moves(&mut conn, 2).await.unwrap();
    assert_eq!(
        (moves[0].dealer.as_str(), moves[0].stock_number.as_str()),
        ("a", "E2")
    );
}

#[tokio::test]
async fn a_column_of_prime_units_that_went_wrong_does_not_empty_the_lot() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let file = |prime: &str| {
        let rows: String = (0..8)
            .map(|n| format!("E{n},,Deere,310,900,{prime}\n"))
            .collect();
        format!("{MACHINES}{rows}")
    };
    load(&mut test, "equipment", dealer, &file("")).await;
    terms(&test, "UPDATE sources SET attachments = 'with_prime'").await;
    let id = test
        .handed_in("equipment", Some(dealer), false, file("NONE").as_bytes())
        .await;
    test.stepper.perform(&LoadFile { file: id }).await.unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    let held = Files::get(&mut conn, id).await.unwrap().held_reason;
    assert!(held.unwrap().contains("8 of 8"));
}

#[tokio::test]
async fn units_that_are_only_waited_for_do_not_hold_the_next_file() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let file = |from: u32| {
        let rows: String = (from..20)
            .map(|n| format!("S{n},,Ford,F-150,100,,\n"))
            .collect();
        format!("{HEAD}{rows}")
    };
    load(&mut test, "vehicles", dealer, &file(0)).await;
    terms(&test, "UPDATE sources SET grace_files = 9").await;
    // Two more are missing each night: none of the files lacks much of the one before.
    for from in [2, 4, 6, 8, 10] {
        assert_eq!(
            load(&mut test, "vehicles", dealer, &file(from))
                .await
                .removed,
            0
        );
    }
}

#[tokio::test]
async fn a_number_that_comes_back_as_another_unit_has_no_past() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let row =
        |number: &str, vin: &str, price: u32| format!("{number},{vin},Ford,F-150,{price},,\n");
    let other = row("9", VINS[2], 100);
    let of = |row: &str| format!("{HEAD}{row}{other}");
    load(
        &mut test,
        "vehicles",
        dealer,
        &of(&row("1", VINS[0], 30_000)),
    )
    .await;
    let hand = |value| domain::Value::Text(std::borrow::Cow::Borrowed(value));
    let brand = domain::Field::TitleBrand;
    jobs::by_hand::put_right(&test.app, 1, brand, hand("Clean"), "ann")
        .await
        .unwrap();
    load(&mut test, "vehicles", dealer, &of("")).await;
    terms(
        &test,
        "UPDATE listings SET created_at = created_at - interval '40 days' WHERE id = 1;
        UPDATE price_history SET at = at - interval '40 days'",
    )
    .await;
    load(
        &mut test,
        "vehicles",
        dealer,
        &of(&row("1", VINS[1], 9_000)),
    )
    .await;
    let unit = units(&test).await.remove(0);
    assert_eq!((unit.id, unit.details.title_brand.as_deref()), (1, None));
    let mut conn = test.app.pool.acquire().await.unwrap();
    let drops = Reports::price_drops(&mut conn, None, 30, 5, 10)
        .await
        .unwrap();
    assert!(drops.is_empty(), "{drops:?}");
    let stay = Reports::stays(&mut conn, VINS[1]).await.unwrap();
    assert_eq!(stay[0].days, Some(0));
    // The one before is still to be found.
    let past = Reports::stays(&mut conn, VINS[0]).await.unwrap();
    assert_eq!(
        (past.len(), past[0].status.as_str(), past[0].days),
        (1, "removed", Some(40))
    );
    assert_eq!(past[0].price_cents, Some(3_000_000));
    drop(conn);
    // And so is one whose number another vehicle takes while it is on the lot.
    let honda = format!("1,{},Honda,Accord,4000,,\n", "1HGCM82603A004405");
    load(&mut test, "vehicles", dealer, &of(&honda)).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let past = Reports::stays(&mut conn, VINS[1]).await.unwrap();
    assert_eq!((past.len(), past[0].status.as_str()), (1, "replaced"));
    let drops = Reports::price_drops(&mut conn, None, 30, 5, 10).await;
    assert!(drops.unwrap().is_empty());
    let both = Reports::stays(&mut conn, "1").await.unwrap();
    assert_eq!(both.len(), 3, "all that had the number");
    assert_eq!(both[0].first_price_cents, Some(400_000));
}

/// Each that had the number is found, also where they come as sold.
#[tokio::test(flavor = "multi_thread")]
async fn every_unit_that_had_a_number_has_its_stay() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let cars = [
        (VINS[0], "Ford,F-150"),
        (VINS[1], "Honda,Accord"),
        (VINS[2], "Jeep,Patriot"),
    ];
    for (vin, words) in cars {
        let row = format!("{HEAD}9,{vin},{words},100,,Sold\n");
        load(&mut test, "vehicles", dealer, &row).await;
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    for (vin, _) in cars {
        let told = Reports::stays(&mut conn, vin).await.unwrap();
        assert_eq!((told.len(), told[0].status.as_str()), (1, "sold"), "{vin}");
    }
}

/// Who only updates has no unit that another has the number of.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_another_vehicle_is_refused() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let row = |vin: &str, words: &str| format!("{HEAD}1,{vin},{words},100,,\n");
    load(&mut test, "vehicles", dealer, &row(VINS[0], "Ford,F-150")).await;
    terms(&test, "UPDATE sources SET policy = 'update_only'").await;
    let counts = load(&mut test, "vehicles", dealer, &row(VINS[1], "Honda,Accord")).await;
    assert_eq!((counts.rejected, counts.updated), (1, 0));
    let unit = units(&test).await.remove(0);
    assert_eq!(unit.details.make.as_deref(), Some("Ford"));
}

/// Who comes back after a month has not stood there meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_comes_back_after_a_month_begins_another_stay() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "a", "").await;
    let row = format!("1,{},Ford,F-150,30000,,\n", VINS[0]);
    let other = format!("9,{},Ford,F-150,100,,\n", VINS[2]);
    for (away, days, stays) in [("10 days", 60, 1), ("31 days", 0, 2)] {
        let all = format!("{HEAD}{row}{other}");
        load(&mut test, "vehicles", dealer, &all).await;
        load(&mut test, "vehicles", dealer, &format!("{HEAD}{other}")).await;
        terms(
            &test,
            "UPDATE listings SET created_at = now() - interval '60 days' WHERE stock_number = '1'",
        )
        .await;
        let left = match away {
            "10 days" => {
                "UPDATE listings SET left_at = now() - interval '10 days' WHERE stock_number = '1'"
            }
            _ => {
                "UPDATE listings SET left_at = now() - interval '31 days' WHERE stock_number = '1'"
            }
        };
        terms(&test, left).await;
        load(&mut test, "vehicles", dealer, &format!("{all}\n")).await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let told = Reports::stays(&mut conn, VINS[0]).await.unwrap();
        assert_eq!((told.len(), told[0].days), (stays, Some(days)), "{away}");
    }
}

/// Where position 9 is the maker's, a VIN tells a vehicle without it, and nobody is told that it is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_european_vehicle_under_another_number_goes_on() {
    let mut test = TestApp::start().await;
    let dealer = rooftop(&test, "de-auto", "").await;
    terms(&test, "UPDATE dealers SET country = 'DE'").await;
    let row = |number: &str| format!("{HEAD}{number},WAUZZZ8V5KA012345,Audi,A3,9500,,\n");
    load(&mut test, "vehicles", dealer, &row("E1")).await;
    let counts = load(&mut test, "vehicles", dealer, &row("E11")).await;
    assert_eq!((counts.created, counts.updated, counts.removed), (0, 1, 0));
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = stores::Alerts::open(&mut conn).await.unwrap();
    assert!(
        open.iter().all(|alert| alert.what != "bad_vins"),
        "{open:?}"
    );
    let (_, contradictions) = stores::Vins::counts(&mut conn).await.unwrap();
    assert_eq!(contradictions, 0);
}
