//! Columns of a source's files that go and come back, and a mapping that is mended after its file was loaded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::LoadFile;
use jobs::by_hand::Hand;
use jobs::testing::TestApp;
use stores::{Alert, Alerts, Dealers, FileState, Files, Listings, OwnMappings, RejectRow};

const OPS: Hand<'_> = Hand {
    who: "ops",
    by: "test",
};

async fn dealer(test: &TestApp) -> i64 {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = domain::Dealer {
        key: "a".to_owned(),
        ..domain::Dealer::default()
    };
    Dealers::put(&mut conn, &dealer).await.unwrap()
}

/// Loads a file; what was told of it as a whole.
async fn load(test: &mut TestApp, mapping: &str, dealer: i64, text: &str) -> Vec<RejectRow> {
    let file = test
        .handed_in(mapping, Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let told = Files::rejects(&mut conn, file).await.unwrap();
    told.into_iter().filter(|reject| reject.row == 0).collect()
}

/// Price and colour of the first unit.
async fn shown(test: &TestApp) -> (Option<i64>, Option<String>) {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let unit = Listings::by_ids(&mut conn, &[1]).await.unwrap().remove(0);
    (unit.details.price_cents, unit.details.exterior_color)
}

async fn alert(test: &TestApp) -> Option<Alert> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = Alerts::open(&mut conn).await.unwrap();
    open.into_iter().find(|alert| alert.what == "column_gone")
}

/// Nobody looks at what was refused of a file that was loaded.
#[tokio::test]
async fn a_column_that_can_be_read_no_more_is_raised_until_it_can() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test).await;
    let of = |price: &dyn Fn(usize) -> String| {
        let rows = (0..6).map(|n| format!("{n},,Ford,F-15{n},{}\n", price(n)));
        format!("Stock,VIN,Make,Model,Price\n{}", rows.collect::<String>())
    };
    let raised = |open: Vec<Alert>| open.into_iter().find(|alert| alert.what == "values_unread");
    for (text, words) in [
        (of(&|n| format!("10{n}")), None),
        (
            of(&|_| "TBA soon".to_owned()),
            Some("price_cents in 6 rows (not_money, as \"TBA soon\")"),
        ),
        (of(&|n| format!("{}", 100 + n)), None),
        // A word for "none" is read.
        (of(&|_| "Call".to_owned()), None),
    ] {
        load(&mut test, "vehicles", dealer, &text).await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let open = raised(Alerts::open(&mut conn).await.unwrap());
        assert_eq!(open.is_some(), words.is_some(), "{text}");
        if let (Some(alert), Some(words)) = (open, words) {
            assert!(alert.message.contains(words), "{}", alert.message);
            let file = Files::list(&mut conn, None, 1).await.unwrap().remove(0);
            assert_eq!((file.values_refused, file.counts.rejected), (6, 0));
            let told = Files::rejects(&mut conn, file.id).await.unwrap();
            assert_eq!(told[0].stock_number, "0");
        }
    }
}

#[tokio::test]
async fn a_column_that_is_gone_blanks_nothing_and_is_raised_until_it_is_back() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test).await;
    let whole = "Stock Number,VIN,Make,Model,Price,Color\n1,1HGCM82633A004352,Ford,F-150,100,Red\n";
    assert!(load(&mut test, "vehicles", dealer, whole).await.is_empty());
    assert!(alert(&test).await.is_none(), "no file had more");
    let without = "Stock Number,VIN,Make,Model,Color\n1,1HGCM82633A004352,Ford,F-150,\n";
    for night in 0..2 {
        let text = format!("{without}{}", "\n".repeat(night));
        let told = load(&mut test, "vehicles", dealer, &text).await;
        assert_eq!((told.len(), told[0].rule.as_str()), (1, "column_gone"));
        assert_eq!(told[0].column, "price_cents");
        // A blank in a column that is there is still a word.
        assert_eq!(shown(&test).await, (Some(10_000), None));
        assert!(alert(&test).await.unwrap().message.contains("price_cents"));
    }
    assert!(load(&mut test, "vehicles", dealer, whole).await.is_empty());
    assert!(alert(&test).await.is_none());
}

#[tokio::test]
async fn what_no_unit_of_a_json_file_has_is_blank_and_told_once() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test).await;
    let whole = r#"[{"stock_number": "1", "vin": "1HGCM82633A004352", "make": "Ford", "price": 100, "color": "Red"}]"#;
    load(&mut test, "vehicles", dealer, whole).await;
    let without =
        r#"[{"stock_number": "1", "vin": "1HGCM82633A004352", "make": "Ford", "color": "Red"}]"#;
    let told = load(&mut test, "vehicles", dealer, without).await;
    assert!(told[0].message.contains("blank in every unit"), "{told:?}");
    assert_eq!(shown(&test).await, (None, Some("Red".to_owned())));
    let again = format!("{without}\n");
    assert!(load(&mut test, "vehicles", dealer, &again).await.is_empty());
}

#[tokio::test]
async fn the_newest_file_is_loaded_once_more_by_the_mended_mapping() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test).await;
    let own = |price: &str| {
        format!(
            "name: ours\nkind: vehicle\ncolumns:\n  - {{to: stock_number, from: [no]}}\n  - {{to: price_cents, from: [{price}], as: money}}\n"
        )
    };
    let mut conn = test.app.pool.acquire().await.unwrap();
    OwnMappings::put(&mut conn, "ours", &own("cost"), "ops")
        .await
        .unwrap();
    drop(conn);
    load(&mut test, "ours", dealer, "no,cost,asked\n1,80,100\n").await;
    assert_eq!(shown(&test).await.0, Some(8_000));
    let mut conn = test.app.pool.acquire().await.unwrap();
    OwnMappings::put(&mut conn, "ours", &own("asked"), "ops")
        .await
        .unwrap();
    drop(conn);
    let file = jobs::by_hand::reload(&test.app, "upload", OPS)
        .await
        .unwrap();
    test.run_all().await;
    assert_eq!(shown(&test).await.0, Some(10_000));
    let mut conn = test.app.pool.acquire().await.unwrap();
    let read = Files::get(&mut conn, file).await.unwrap();
    assert_eq!(
        (read.state, read.mapping_version),
        (FileState::Loaded, Some(2))
    );
    drop(conn);
    // One that a mistake in the mapping held is judged anew, guard and all.
    for (stock, state) in [("number", FileState::Held), ("no", FileState::Loaded)] {
        let yaml = own("asked").replace("[no]}", &format!("[{stock}], required: true}}"));
        let mut conn = test.app.pool.acquire().await.unwrap();
        OwnMappings::put(&mut conn, "ours", &yaml, "ops")
            .await
            .unwrap();
        drop(conn);
        let again = jobs::by_hand::reload(&test.app, "upload", OPS).await;
        let again = again.unwrap();
        test.run_all().await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let read = Files::get(&mut conn, again).await.unwrap();
        assert_eq!((read.state, read.released_by), (state, None));
        assert!(again > file);
    }
    let nobody = jobs::by_hand::reload(&test.app, "nobody", OPS).await;
    assert!(nobody.unwrap_err().to_string().contains("nobody"));
}

/// Whoever released it was shown that it could not be read, and not how much it would remove.
#[tokio::test]
async fn a_reload_is_no_release() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test).await;
    let ours = |names: &str| {
        format!(
            "name: ours\nkind: vehicle\ncolumns:\n  - {{to: stock_number, from: [{names}], required: true}}\n"
        )
    };
    let put = |test: &TestApp, yaml: String| {
        let pool = test.app.pool.clone();
        async move {
            let mut conn = pool.acquire().await.unwrap();
            OwnMappings::put(&mut conn, "ours", &yaml, "ops")
                .await
                .unwrap();
        }
    };
    put(&test, ours("no")).await;
    let rows: String = (0..10).map(|n| format!("{n}\n")).collect();
    load(&mut test, "ours", dealer, &format!("no\n{rows}")).await;
    let file = test
        .handed_in("ours", Some(dealer), false, b"number\n1\n")
        .await;
    test.stepper.perform(&LoadFile { file }).await.unwrap();
    jobs::by_hand::release(&test.app, file, OPS).await.unwrap();
    test.run_all().await;
    put(&test, ours("no, number")).await;
    for _ in 0..3 {
        jobs::by_hand::reload(&test.app, "upload", OPS)
            .await
            .unwrap();
        test.run_all().await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let read = Files::get(&mut conn, file).await.unwrap();
        let why = read.held_reason.unwrap_or_default();
        assert!(why.contains("9 of 10 units"), "{:?} {why}", read.state);
    }
    jobs::by_hand::release(&test.app, file, OPS).await.unwrap();
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let read = Files::get(&mut conn, file).await.unwrap();
    assert_eq!((read.state, read.counts.removed), (FileState::Loaded, 9));
}

/// `k2` is `K2`: also when its row cannot be read, and when a whole file comes in small letters.
#[tokio::test]
async fn a_number_is_the_same_whatever_the_case_of_its_letters() {
    let mut test = TestApp::start().await;
    let dealer = dealer(&test).await;
    let file = |numbers: [&str; 6], vin: &str| {
        let rows: String = numbers
            .iter()
            .map(|n| {
                format!(
                    "{n},{},Ford,F-150,100\n",
                    if n.ends_with('2') { vin } else { "" }
                )
            })
            .collect();
        format!("Stock Number,VIN,Make,Model,Price\n{rows}")
    };
    let lot = ["K1", "K2", "K3", "K4", "K5", "k6"];
    let small = ["k1", "k2", "k3", "k4", "k5", "k6"];
    let large = ["K1", "K2", "K3", "K4", "K5", "K6"];
    load(&mut test, "vehicles", dealer, &file(lot, "")).await;
    let one = ["K1", "k2", "K3", "K4", "K5", "k6"];
    for text in [file(one, "1FTEI"), file(small, ""), file(large, "")] {
        load(&mut test, "vehicles", dealer, &text).await;
        let mut conn = test.app.pool.acquire().await.unwrap();
        let units = Listings::list(&mut conn, &stores::ListingFilter::default(), 0, 20).await;
        let mut numbers: Vec<String> = units.unwrap().into_iter().map(|u| u.stock_number).collect();
        numbers.sort();
        assert_eq!(numbers, lot);
        let files = Files::list(&mut conn, None, 1).await.unwrap();
        assert_eq!(
            (files[0].state, files[0].counts.removed),
            (FileState::Loaded, 0)
        );
    }
}
