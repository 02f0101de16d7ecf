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
