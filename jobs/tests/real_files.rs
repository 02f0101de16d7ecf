//! Files as dealers really send them: many rooftops in one, the trim behind the model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::{Field, Listing};
use jobs::LoadFile;
use jobs::testing::TestApp;
use queue::Job;
use stores::{Dealers, FileCounts, Files, ListingFilter, Listings};

const HEAD: &str = "Year,Make,Model,Used/New,Price,SellerName,StreetName,State,Zipcode,ExteriorColor,Drivetrain,FuelType,Transmission,Engine,VIN,Stock#,Mileage\n";

fn row(seller: &str, stock: &str, model: &str, vin: &str) -> String {
    format!(
        "2018,Ford,{model},Used,\"$49,985 \",{seller},1001 S Ben Maddox Way Visalia,CA,93292,Shadow Black,\
         Four-wheel Drive,Gasoline,10-Speed Automatic,3.5L V6 24V,{vin},{stock},32929\n"
    )
}

fn file() -> String {
    format!(
        "{HEAD}{}{}{}{}",
        row(
            "Giant Ford - Open Sundays",
            "7",
            "F-150 Lariat",
            "1FTEW1EG2JFD44217"
        ),
        row("Hill Motors", "7", "Sienna SE", "5TDXZ3DC2KS015402"),
        row("Giant Ford", "7", "F-150 XL", "1FTEW1EG2JFD44217"),
        row("Hill Motors", "8", "Accord", "1HGCM82633A00435O"),
    )
}

async fn load(test: &mut TestApp, create: bool) -> FileCounts {
    let file = test
        .handed_in("cars_com", None, create, file().as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    Files::get(&mut conn, file).await.unwrap().counts
}

async fn stock(test: &TestApp) -> Vec<Listing> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Listings::list(&mut conn, &ListingFilter::default(), 0, 100)
        .await
        .unwrap()
}

#[tokio::test]
async fn one_file_stocks_many_rooftops_and_twice_changes_nothing() {
    let mut test = TestApp::start().await;
    // Nobody answers for the photos of its template.
    test.forgive_left_behind();
    let counts = load(&mut test, true).await;
    let expected = FileCounts {
        rows: 4,
        created: 2,
        rejected: 1,
        duplicates: 1,
        ..FileCounts::default()
    };
    assert_eq!(counts, expected);
    let dealers = Dealers::list(&mut test.app.pool.acquire().await.unwrap())
        .await
        .unwrap();
    let keys: Vec<&str> = dealers.iter().map(|d| d.key.as_str()).collect();
    assert_eq!(keys, ["giant-ford-93292", "hill-motors-93292"]);
    assert_eq!((&*dealers[0].city, &*dealers[0].state), ("Visalia", "CA"));

    let before = stock(&test).await;
    let again = load(&mut test, true).await;
    let expected = FileCounts {
        rows: 4,
        unchanged: 2,
        rejected: 1,
        duplicates: 1,
        ..FileCounts::default()
    };
    assert_eq!(again, expected);
    assert_eq!(stock(&test).await, before);
}

#[tokio::test]
async fn the_trim_is_parted_from_the_model_and_the_original_kept() {
    let mut test = TestApp::start().await;
    // Nobody answers for the photos of its template.
    test.forgive_left_behind();
    load(&mut test, true).await;
    let stock = stock(&test).await;
    let details = &stock[0].details;
    assert_eq!(details.model.as_deref(), Some("F-150"));
    assert_eq!(details.trim.as_deref(), Some("Lariat"));
    assert_eq!(details.drivetrain.as_deref(), Some("4WD"));
    assert_eq!(details.exterior_base_color.as_deref(), Some("Black"));
    assert_eq!(
        (details.cylinders, details.displacement_cc),
        (Some(6), Some(3_500))
    );
    let origin = |field| stock[0].provenance.get(field).unwrap().original.as_deref();
    assert_eq!(origin(Field::Model), Some("F-150 Lariat"));
    assert_eq!(origin(Field::Drivetrain), Some("Four-wheel Drive"));
}

#[tokio::test]
async fn a_rooftop_nobody_knows_costs_its_rows_unless_it_may_be_made() {
    let mut test = TestApp::start().await;
    // Nobody answers for the photos of its template.
    test.forgive_left_behind();
    // Nothing but the shape is known before the load, so the file is not held; each row says why.
    let counts = load(&mut test, false).await;
    assert_eq!(
        (
            counts.rows,
            counts.created,
            counts.rejected,
            counts.duplicates
        ),
        (4, 0, 3, 1)
    );
    assert!(stock(&test).await.is_empty());
    let mut conn = test.app.pool.acquire().await.unwrap();
    let rejects = Files::rejects(&mut conn, 1).await.unwrap();
    let unknown: Vec<_> = rejects
        .iter()
        .filter(|r| r.rule == "dealer_unknown")
        .collect();
    assert_eq!(unknown.len(), 2);
    assert!(
        unknown[0].message.contains("giant-ford-93292"),
        "{}",
        unknown[0].message
    );
}

#[tokio::test]
async fn every_built_in_feed_of_it_passes_its_marketplaces_rules_and_adds_up() {
    let mut test = TestApp::start().await;
    // Nobody answers for the photos of its template.
    test.forgive_left_behind();
    load(&mut test, true).await;
    let units = stock(&test).await.len();
    for (key, text) in feeds::BUILT_IN {
        let definition = feeds::Definition::parse(text).unwrap();
        let value = serde_json::to_value(&definition).unwrap();
        let mut conn = test.app.pool.acquire().await.unwrap();
        stores::Feeds::put(&mut conn, key, key, &value)
            .await
            .unwrap();
        drop(conn);
        let feed = jobs::BuildFeed {
            feed: (*key).to_owned(),
        };
        let step = test.stepper.perform(&feed).await.unwrap();
        assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
        let mut conn = test.app.pool.acquire().await.unwrap();
        let run = stores::Feeds::runs(&mut conn, key, 1)
            .await
            .unwrap()
            .remove(0);
        assert!(run.rows > 0, "{key}: {}", run.diagnostics);
        let left_out = stores::Feeds::exclusions(&mut conn, run.id, 0, 100)
            .await
            .unwrap();
        assert_eq!(i64::try_from(left_out.len()).unwrap(), run.excluded);
        assert_eq!(usize::try_from(run.rows + run.excluded).unwrap(), units);
        let bytes = test
            .app
            .objects
            .get(&run.object_key.unwrap())
            .await
            .unwrap();
        let found = feeds::Spec::built_in(key)
            .unwrap()
            .unwrap()
            .validate(&bytes);
        assert_eq!(i64::try_from(found.rows).unwrap(), run.rows);
        assert!(found.problems.is_empty(), "{key}: {:?}", found.problems);
    }
}

#[tokio::test]
async fn a_file_whose_load_died_is_held_and_no_longer_in_the_way() {
    let mut test = TestApp::start().await;
    // Nobody answers for the photos of its template.
    test.forgive_left_behind();
    let first = test
        .handed_in("cars_com", None, true, HEAD.as_bytes())
        .await;
    let second = test
        .handed_in("cars_com", None, true, file().as_bytes())
        .await;
    // Nothing loads the first: its job is dead, or was never written.
    let step = test
        .stepper
        .perform(&LoadFile { file: second })
        .await
        .unwrap();
    assert_eq!(step.outcome.word(), "snooze", "{:?}", step.outcome);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let held = Files::get(&mut conn, first).await.unwrap();
    assert_eq!(held.state, stores::FileState::Held);
    drop(conn);
    test.stepper.hurry(LoadFile::NAME).await.unwrap();
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let loaded = Files::get(&mut conn, second).await.unwrap();
    assert_eq!(
        (loaded.state, loaded.counts.created),
        (stores::FileState::Loaded, 2)
    );
}

/// The real files for local testing: every row is accounted for, the second load changes nothing, and one that has lost two
/// rows of five is held.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_thousands_of_real_rows_are_accounted_for() {
    let folder = std::path::Path::new("../../shared/data");
    for (name, mapping, own) in [
        ("cars_listings.csv", "cars_com", false),
        ("equipment_auctions.csv", "auction_equipment", true),
    ] {
        let Ok(text) = std::fs::read(folder.join(name)) else {
            eprintln!("skipped: {name}, for local testing, is not here");
            return;
        };
        let mut test = TestApp::start().await;
        // Nobody answers for their photos.
        test.forgive_left_behind();
        let mut conn = test.app.pool.acquire().await.unwrap();
        let dealer = domain::Dealer {
            key: "auction".to_owned(),
            ..domain::Dealer::default()
        };
        let dealer = Dealers::put(&mut conn, &dealer).await.unwrap();
        drop(conn);
        let dealer = own.then_some(dealer);
        let mut counted = Vec::new();
        for _ in 0..2 {
            let file = test.handed_in(mapping, dealer, !own, &text).await;
            let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
            assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
            let mut conn = test.app.pool.acquire().await.unwrap();
            counted.push(Files::get(&mut conn, file).await.unwrap().counts);
        }
        let (first, again) = (&counted[0], &counted[1]);
        assert!(first.rows >= 3_000 && first.created > 2_900, "{first:?}");
        assert_eq!(
            first.created + first.rejected + first.duplicates,
            first.rows,
            "{first:?}"
        );
        let same = FileCounts {
            created: 0,
            unchanged: first.created,
            ..*first
        };
        assert_eq!(*again, same);
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let kept = lines.enumerate().filter(|(n, _)| *n == 0 || n % 5 > 1);
        let fewer: Vec<u8> = kept.flat_map(|(_, line)| line.to_vec()).collect();
        let file = test.handed_in(mapping, dealer, !own, &fewer).await;
        test.stepper.perform(&LoadFile { file }).await.unwrap();
        let mut conn = test.app.pool.acquire().await.unwrap();
        let held = Files::get(&mut conn, file).await.unwrap();
        let why = held.held_reason.unwrap();
        assert!(why.contains("would remove"), "{why}");
    }
}
