//! Stores on a real server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::filter::{Op, Test};
use domain::{Dealer, Details, Field, FieldType, Filter, Kind, Listing, ListingDraft, Vin};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::postgres::PgPoolOptions;
use stores::{
    Changes, Dealers, Files, Keys, Listings, NewFile, NewSource, PgPool, Scope, Sealer, SourceRow,
    Sources, Values,
};

async fn pool() -> PgPool {
    PgPoolOptions::new()
        .max_connections(6)
        .connect(&embedded::testing::database())
        .await
        .unwrap()
}

async fn dealer(pool: &PgPool, key: &str) -> i64 {
    let dealer = Dealer {
        key: key.to_owned(),
        name: key.to_owned(),
        ..Dealer::default()
    };
    Dealers::put(&mut pool.acquire().await.unwrap(), &dealer)
        .await
        .unwrap()
}

async fn file(pool: &PgPool, dealer_id: i64, digest: &str) -> (i64, i64) {
    let mut conn = pool.acquire().await.unwrap();
    let key = format!("source-{dealer_id}");
    let source = NewSource {
        kind: stores::SourceKind::Sftp,
        url: String::new(),
        key: key.clone(),
        dealer_id: Some(dealer_id),
        create_dealers: false,
        max_removed_percent: 30,
        host: "localhost".to_owned(),
        port: 22,
        username: "dealer".to_owned(),
        secret: Sealer::new(&[1; 32])
            .seal(&SourceRow::purpose(&key), "pw")
            .unwrap(),
        host_key: String::new(),
        folder: "/".to_owned(),
        pattern: "*".to_owned(),
        mapping: "homenet".to_owned(),
        terms: stores::Terms::default(),
    };
    let source_id = Sources::put(&mut conn, &source).await.unwrap();
    let file = NewFile {
        source_id,
        name: "stock.csv".to_owned(),
        digest: digest.to_owned(),
        bytes: 1,
        modified_at: None,
        object_key: "raw/x".to_owned(),
    };
    (
        source_id,
        Files::record(&mut conn, &file, false).await.unwrap().0,
    )
}

fn draft(stock: &str, price: Option<i64>) -> ListingDraft {
    ListingDraft {
        kind: Kind::Vehicle,
        stock_number: stock.to_owned(),
        vin: Some(Vin::parse("1HGCM82633A004352").unwrap()),
        serial: None,
        status: None,
        details: Details {
            make: Some("Honda".into()),
            price_cents: price,
            image_urls: vec!["http://p/1,2.jpg".into(), "http://p/\"3\".jpg".into()],
            date_in_stock: Some(jiff::civil::date(2026, 11, 2)),
            ..Details::default()
        },
        originals: [].into(),
        unread: Vec::new(),
        row: 1,
    }
}

#[tokio::test]
async fn the_same_drafts_twice_change_nothing() {
    let pool = pool().await;
    let dealer_id = dealer(&pool, "bayview").await;
    let (_, file_id) = file(&pool, dealer_id, "a").await;
    let drafts = [draft("A1", Some(100)), draft("A2", None)];
    let mut conn = pool.acquire().await.unwrap();
    let first = Listings::upsert(&mut conn, dealer_id, Some(file_id), &drafts)
        .await
        .unwrap();
    assert_eq!((first.created, first.updated, first.unchanged), (2, 0, 0));
    let before = Listings::by_ids(&mut conn, &first.touched).await.unwrap();
    assert_eq!(before[0].details, drafts[0].details);
    let again = Listings::upsert(&mut conn, dealer_id, Some(file_id), &drafts)
        .await
        .unwrap();
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 2));
    assert_eq!(
        Listings::by_ids(&mut conn, &first.touched).await.unwrap(),
        before
    );
    assert_eq!(Changes::unstamped(&mut conn).await.unwrap(), 2);
}

#[tokio::test]
async fn words_of_the_stock_are_counted_by_field_and_colours_only_without_a_plain_one() {
    let pool = pool().await;
    let (here, there) = (
        dealer(&pool, "bayview").await,
        dealer(&pool, "hillside").await,
    );
    let mut conn = pool.acquire().await.unwrap();
    let unit = |stock: &str, color: &str, base: Option<&str>| {
        let mut draft = draft(stock, None);
        draft.details.body = Some("Spaceship".into());
        draft.details.exterior_color = Some(color.into());
        draft.details.exterior_base_color = base.map(Into::into);
        draft
    };
    let mine = [
        unit("A1", "Moonshine", None),
        unit("A2", "Rallye Red", Some("Red")),
    ];
    Listings::upsert(&mut conn, here, None, &mine)
        .await
        .unwrap();
    let theirs = [unit("B1", "Moonshine", None)];
    Listings::upsert(&mut conn, there, None, &theirs)
        .await
        .unwrap();
    let all = Values::worded(&mut conn, None).await.unwrap();
    let told: Vec<(&str, &str, i64, i64, &str)> = all
        .iter()
        .map(|v| {
            (
                v.field.as_str(),
                v.value.as_str(),
                v.units,
                v.dealers,
                v.stock_number.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("body", "Spaceship", 3, 2, "A1"),
            ("make", "Honda", 3, 2, "A1"),
            ("exterior_color", "Moonshine", 2, 2, "A1"),
        ]
    );
    let one = Values::worded(&mut conn, Some("hillside")).await.unwrap();
    assert!(one.iter().all(|value| value.units == 1), "{one:?}");
}

#[tokio::test]
async fn a_price_that_moves_leaves_its_history_and_one_change() {
    let pool = pool().await;
    let dealer_id = dealer(&pool, "bayview").await;
    let (_, file_id) = file(&pool, dealer_id, "a").await;
    let mut conn = pool.acquire().await.unwrap();
    for price in [Some(100), Some(90), Some(90), None] {
        Listings::upsert(&mut conn, dealer_id, Some(file_id), &[draft("A1", price)])
            .await
            .unwrap();
    }
    let id = Listings::list(&mut conn, &stores::ListingFilter::default(), 0, 10)
        .await
        .unwrap()[0]
        .id;
    let prices: Vec<Option<i64>> = Listings::prices(&mut conn, id)
        .await
        .unwrap()
        .into_iter()
        .map(|p| p.cents)
        .collect();
    assert_eq!(prices, [Some(100), Some(90), None]);
    assert_eq!(Changes::unstamped(&mut conn).await.unwrap(), 3);
}

#[tokio::test]
async fn what_a_newer_file_no_longer_has_is_retired_once() {
    let pool = pool().await;
    let dealer_id = dealer(&pool, "bayview").await;
    let (source_id, first) = file(&pool, dealer_id, "a").await;
    let (_, second) = file(&pool, dealer_id, "b").await;
    let mut conn = pool.acquire().await.unwrap();
    let all = [draft("A1", None), draft("A2", None), draft("A3", None)];
    Listings::upsert(&mut conn, dealer_id, Some(first), &all)
        .await
        .unwrap();
    // Not of any file: never retired by one.
    Listings::upsert(&mut conn, dealer_id, None, &[draft("API", None)])
        .await
        .unwrap();
    Listings::upsert(&mut conn, dealer_id, Some(second), &all[..1])
        .await
        .unwrap();
    let of = (Some(dealer_id), source_id);
    for (most, gone) in [(1, 1), (10, 1), (10, 0)] {
        let retired =
            Listings::retire_missing(&mut conn, of, second, stores::Grace::default(), most);
        assert_eq!(retired.await.unwrap(), gone);
    }
    assert_eq!(Listings::counts(&mut conn).await.unwrap().0, 2);
}

/// A transaction that commits late must not be skipped by readers that go by position.
#[tokio::test]
async fn positions_never_skip_a_late_commit() {
    let pool = pool().await;
    let dealer_id = dealer(&pool, "bayview").await;
    let mut late = pool.begin().await.unwrap();
    Listings::upsert(&mut late, dealer_id, None, &[draft("LATE", None)])
        .await
        .unwrap();
    let mut conn = pool.acquire().await.unwrap();
    Listings::upsert(&mut conn, dealer_id, None, &[draft("EARLY", None)])
        .await
        .unwrap();
    let stamp = async || {
        let mut tx = pool.begin().await.unwrap();
        let stamped = Changes::stamp(&mut tx, 100).await.unwrap();
        tx.commit().await.unwrap();
        stamped
    };
    assert_eq!(stamp().await, 0, "an older transaction still runs");
    late.commit().await.unwrap();
    // The horizon is the whole server's: another test's transaction may hold it back.
    let mut stamped = 0;
    while stamped < 2 {
        stamped += stamp().await;
    }
    assert_eq!(stamp().await, 0);
    let positions: Vec<i64> = Changes::after(&mut conn, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|c| c.position)
        .collect();
    assert_eq!(positions, [1, 2]);
}

#[tokio::test]
async fn a_load_slice_counts_once() {
    let pool = pool().await;
    let dealer_id = dealer(&pool, "bayview").await;
    let (_, file_id) = file(&pool, dealer_id, "a").await;
    let mut conn = pool.acquire().await.unwrap();
    let counts = stores::FileCounts {
        rows: 10,
        ..Default::default()
    };
    assert!(
        Files::advance(&mut conn, file_id, 0, 10, &counts, 3)
            .await
            .unwrap()
    );
    assert!(
        !Files::advance(&mut conn, file_id, 0, 10, &counts, 3)
            .await
            .unwrap()
    );
    assert_eq!(
        Files::get(&mut conn, file_id).await.unwrap().counts.rows,
        10
    );
}

#[tokio::test]
async fn a_key_is_known_until_it_is_revoked() {
    let pool = pool().await;
    let mut conn = pool.acquire().await.unwrap();
    let text = Keys::create(&mut conn, "ops", Scope::Operate)
        .await
        .unwrap();
    let key = Keys::find(&mut conn, &text).await.unwrap().unwrap();
    assert_eq!((key.name.as_str(), key.scope), ("ops", Scope::Operate));
    assert!(Keys::find(&mut conn, "fc_guess").await.unwrap().is_none());
    assert!(Keys::revoke(&mut conn, key.id).await.unwrap());
    assert!(Keys::find(&mut conn, &text).await.unwrap().is_none());
}

#[tokio::test]
async fn every_migration_goes_up_and_down_and_up() {
    let pool = PgPoolOptions::new()
        .connect(&embedded::testing::empty_database())
        .await
        .unwrap();
    stores::MIGRATIONS.run(&pool).await.unwrap();
    stores::MIGRATIONS.undo(&pool, 0).await.unwrap();
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'S') AND c.relname NOT LIKE '\\_sqlx%'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    stores::MIGRATIONS.run(&pool).await.unwrap();
}

/// The filter in memory and the filter in SQL select the same listings, blanks included.
#[test]
fn a_filter_means_the_same_in_memory_and_in_sql() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pool = runtime.block_on(pool());
    let listings: Vec<Listing> = runtime.block_on(async {
        let dealer_id = dealer(&pool, "Bayview").await;
        let mut conn = pool.acquire().await.unwrap();
        let drafts: Vec<ListingDraft> = (0..48usize).map(varied).collect();
        let done = Listings::upsert(&mut conn, dealer_id, None, &drafts)
            .await
            .unwrap();
        Listings::by_ids(&mut conn, &done.touched).await.unwrap()
    });
    let mut runner = TestRunner::new(Config::with_cases(400));
    runner
        .run(&filter(), |filter| {
            prop_assume!(filter.check().is_ok());
            let in_memory: Vec<i64> = listings
                .iter()
                .filter(|l| filter.matches(l, "Bayview"))
                .map(|l| l.id)
                .collect();
            let in_sql: Vec<i64> = runtime.block_on(async {
                let mut conn = pool.acquire().await.unwrap();
                let found: Vec<Listing> = Listings::stream(&mut conn, &filter)
                    .try_collect()
                    .await
                    .unwrap();
                let mut ids: Vec<i64> = found.iter().map(|l| l.id).collect();
                ids.sort_unstable();
                ids
            });
            prop_assert_eq!(in_memory, in_sql);
            Ok(())
        })
        .unwrap();
}

/// Listings that differ in case, blanks, numbers and lists.
fn varied(n: usize) -> ListingDraft {
    let word = |place: usize| ["", "Honda", "HONDA", "ford", "É%_"][(n / place) % 5];
    let text = |place: usize| Some(word(place).to_owned()).filter(|w| !w.is_empty());
    ListingDraft {
        kind: if n.is_multiple_of(3) {
            Kind::Equipment
        } else {
            Kind::Vehicle
        },
        stock_number: format!("S{n}"),
        vin: n
            .is_multiple_of(2)
            .then(|| Vin::parse("1HGCM82633A004352").unwrap()),
        serial: None,
        status: None,
        details: Details {
            make: text(1),
            model: text(5),
            price_cents: (!n.is_multiple_of(4)).then_some(i64::try_from(n % 7).unwrap()),
            year: n.is_multiple_of(5).then_some(3),
            options: (0..n % 3)
                .map(|i| word(i + 1).to_owned())
                .filter(|w| !w.is_empty())
                .collect(),
            ..Details::default()
        },
        originals: [].into(),
        unread: Vec::new(),
        row: 1,
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let word = prop::sample::select(vec![
        "honda", "Ford", "é%_", "É%_", "vehicle", "bayview", "S1", "x",
    ])
    .prop_map(str::to_owned);
    let op = prop_oneof![
        any::<bool>().prop_map(Op::Present),
        word.clone().prop_map(Op::Is),
        prop::collection::vec(word.clone(), 0..3).prop_map(Op::In),
        word.prop_map(Op::Contains),
        (0i64..8).prop_map(Op::AtLeast),
        (0i64..8).prop_map(Op::AtMost),
    ];
    let field = prop::sample::select(vec![
        Field::Make,
        Field::Model,
        Field::PriceCents,
        Field::Year,
        Field::Options,
        Field::Kind,
        Field::Dealer,
        Field::Vin,
        Field::StockNumber,
        Field::DateInStock,
    ]);
    let test = (field, op).prop_map(|(field, op)| {
        // Steer towards tests the field's type can answer.
        let op = match (field.field_type(), op) {
            (FieldType::Number, Op::Is(_) | Op::In(_) | Op::Contains(_)) => Op::AtLeast(3),
            (FieldType::List, Op::Is(w)) => Op::Contains(w),
            (_, op) => op,
        };
        Filter::Test(Test { field, op })
    });
    test.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(|f| Filter::Not(Box::new(f))),
        ]
    })
}
