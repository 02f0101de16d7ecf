//! What a unit's money is in, from the file to the history of its prices.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::LoadFile;
use jobs::testing::TestApp;
use stores::{Dealers, Listings, Reports};

async fn dealer(test: &TestApp, country: &str) -> i64 {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = domain::Dealer {
        key: "north".to_owned(),
        country: country.to_owned(),
        ..domain::Dealer::default()
    };
    Dealers::put(&mut conn, &dealer).await.unwrap()
}

async fn load(test: &mut TestApp, dealer: i64, text: &str) {
    let file = test
        .handed_in("vehicles", Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
}

/// Price, currency and version of the first unit.
async fn shown(test: &TestApp) -> (Option<i64>, &'static str, i64) {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let unit = Listings::by_ids(&mut conn, &[1]).await.unwrap().remove(0);
    let money = unit.details.currency().code();
    (unit.details.price_cents, money, unit.version)
}

#[tokio::test]
async fn a_dealers_money_is_his_countrys_and_another_is_no_drop() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test, "CA").await;
    let silent = "Stock,VIN,Make,Model,Price\n1,1HGCM82633A004352,Ford,F-150,\"$40,000\"\n";
    load(&mut test, dealer, silent).await;
    let first = shown(&test).await;
    assert_eq!((first.0, first.1), (Some(4_000_000), "CAD"));
    load(&mut test, dealer, &format!("{silent}\n")).await;
    assert_eq!(shown(&test).await, first, "the same twice changes nothing");

    // The same number in a dearer currency is another price, and the lower one no drop.
    let says = |price: &str, currency: &str| {
        format!(
            "Stock,VIN,Make,Model,Price,Currency\n1,1HGCM82633A004352,Ford,F-150,{price},{currency}\n"
        )
    };
    load(&mut test, dealer, &says("40000", "USD")).await;
    load(&mut test, dealer, &says("30000", "CAD")).await;
    load(&mut test, dealer, &says("27000", "CAD")).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let prices = Listings::prices(&mut conn, 1).await.unwrap();
    let told: Vec<_> = prices
        .iter()
        .map(|price| (price.cents.unwrap(), price.currency.as_str()))
        .collect();
    let expected = [
        (4_000_000, "CAD"),
        (4_000_000, "USD"),
        (3_000_000, "CAD"),
        (2_700_000, "CAD"),
    ];
    assert_eq!(told, expected);
    let drops = Reports::price_drops(&mut conn, None, 30, 5, 10)
        .await
        .unwrap();
    assert_eq!(drops.len(), 1, "{drops:?}");
    assert_eq!(
        (drops[0].before_cents, &*drops[0].currency),
        (3_000_000, "CAD")
    );
    let stay = Reports::stays(&mut conn, "1HGCM82633A004352")
        .await
        .unwrap();
    assert_eq!(stay[0].first_currency.as_deref(), Some("CAD"));
    drop(conn);

    // What we do not keep is refused, and the old price is not advertised on.
    load(&mut test, dealer, &says("27000", "JPY")).await;
    assert_eq!(shown(&test).await.0, None);
}

#[tokio::test]
async fn a_currency_column_that_is_gone_turns_nothing_into_dollars() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test, "").await;
    let head = "Stock,VIN,Make,Model,Price";
    let row = "1,1HGCM82633A004352,Ford,F-150";
    let with = |price: u32| format!("{head},Currency\n{row},{price},CAD\n");
    let without = |price: u32| format!("{head}\n{row},{price}\n");
    // Files that never said it are in the country's, whatever that becomes.
    load(&mut test, dealer, &without(100)).await;
    assert_eq!(shown(&test).await.1, "USD");
    load(&mut test, dealer, &with(100)).await;
    assert_eq!(shown(&test).await.1, "CAD");
    for price in [90, 80] {
        load(&mut test, dealer, &without(price)).await;
        let now = shown(&test).await;
        assert_eq!((now.0, now.1), (Some(i64::from(price) * 100), "CAD"));
    }
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = stores::Alerts::open(&mut conn).await.unwrap();
    let gone = open
        .iter()
        .find(|alert| alert.what == "column_gone")
        .unwrap();
    assert!(gone.message.contains("currency"), "{}", gone.message);
}

#[tokio::test]
async fn a_rows_money_is_its_rooftops_and_a_country_whose_money_is_not_kept_has_none() {
    let mut test = TestApp::start().await;
    let mapping = "name: many\nkind: vehicle\ndealer: {key: Lot, postal_code: Zip, country: Land}\ncolumns:\n  \
        - {to: stock_number, from: [Stock]}\n  - {to: make, from: [Make]}\n  - {to: price_cents, from: [Price], as: money}\n";
    jobs::mappings::put(&test.app, "many", mapping, "jane")
        .await
        .unwrap();
    let text = "Stock,Lot,Zip,Land,Make,Price\n1,laval,G1R 2B5,,Ford,25900\n2,fresno,93292,,Ford,25900\n3,lyon,69001,FR,Ford,25.900\n\
        4,osaka,530,JP,Ford,3500000\n5,north,,,Ford,25900\n";
    // One that is known is where it is.
    dealer(&test, "GB").await;
    let file = test.handed_in("many", None, true, text.as_bytes()).await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let all = stores::ListingFilter::default();
    let mut units = Listings::list(&mut conn, &all, 0, 10).await.unwrap();
    units.sort_by(|a, b| a.stock_number.cmp(&b.stock_number));
    let money: Vec<_> = units
        .iter()
        .map(|unit| (unit.details.price_cents, unit.details.currency().code()))
        .collect();
    let price = Some(2_590_000);
    let expected = [
        (price, "CAD"),
        (price, "USD"),
        (price, "EUR"),
        (None, "USD"),
        (price, "GBP"),
    ];
    assert_eq!(money, expected);
    let refused = stores::Files::rejects(&mut conn, file).await.unwrap();
    assert!(
        refused[0].message.contains("the money of JP"),
        "{refused:?}"
    );
}
