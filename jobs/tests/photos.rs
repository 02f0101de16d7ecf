//! Photos of a dealer's file, from hosts that misbehave.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::testing::TestApp;
use jobs::{BuildFeed, HashPhotos, LoadFile, RevisitPhotos};
use queue::Outcome;
use std::time::Duration;
use stores::{Dealers, ListingFilter, ListingPhoto, Listings, PhotoCounts, Photos};

/// One unit a line of photo URLs.
async fn stocked(test: &mut TestApp, units: &[&str]) -> Vec<i64> {
    let mut text = String::from("stock,vin,images\n");
    for (n, urls) in units.iter().enumerate() {
        text.push_str(&format!("A{n},1HGCM82633A004352,{urls}\n"));
    }
    loaded(test, &text).await
}

async fn loaded(test: &mut TestApp, text: &str) -> Vec<i64> {
    let dealer = domain::Dealer {
        key: "bayview".to_owned(),
        ..domain::Dealer::default()
    };
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = Dealers::put(&mut conn, &dealer).await.unwrap();
    let file = test
        .handed_in("vehicles", Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    let all = ListingFilter::default();
    let listings = Listings::list(&mut conn, &all, 0, 100).await.unwrap();
    listings.iter().map(|l| l.id).collect()
}

async fn photos(test: &TestApp, listing: i64) -> Vec<ListingPhoto> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Photos::of_listing(&mut conn, listing).await.unwrap()
}

async fn counts(test: &TestApp) -> PhotoCounts {
    let mut conn = test.app.pool.acquire().await.unwrap();
    Photos::counts(&mut conn).await.unwrap()
}

#[tokio::test]
async fn a_picture_is_hashed_once_however_many_show_it() {
    let mut test = TestApp::start().await;
    let digest = blake3::hash(&embedded::Sandbox::placeholder())
        .to_hex()
        .to_string();
    let mut conn = test.app.pool.acquire().await.unwrap();
    Photos::add_placeholder(&mut conn, &digest, "test")
        .await
        .unwrap();
    drop(conn);
    let units = stocked(
        &mut test,
        &[
            "http://photos.test/bay/0/0.jpg|http://photos.test/coming-soon.jpg",
            "http://photos.test/bay/0/0.jpg",
            "http://photos.test/moved/bay/0/0.jpg",
            "http://photos.test/small/bay/0/0.jpg",
            "http://photos.test/bay/4/0.jpg",
            "http://photos.test/flipped/bay/4/0.jpg",
        ],
    )
    .await;
    test.run_all().await;
    let first = photos(&test, units[0]).await;
    assert_eq!(
        (first[0].state.as_str(), first[0].shown_by, first[0].alike),
        ("fetched", 2, 1)
    );
    assert!(first[1].placeholder && !first[0].placeholder);
    // By bytes through another URL, and by look in another coding; the fifth stands alone.
    assert_eq!(photos(&test, units[2]).await[0].digest, first[0].digest);
    let copy = &photos(&test, units[3]).await[0];
    assert_ne!(copy.digest, first[0].digest);
    assert_eq!((copy.shown_by, copy.alike), (0, 1));
    // And its mirror image by both hashes.
    assert_eq!(photos(&test, units[4]).await[0].alike, 1);
    assert_eq!(photos(&test, units[5]).await[0].alike, 1);
    let expected = PhotoCounts {
        hashed: 5,
        duplicates: 4,
        placeholders: 1,
        problems: 0,
    };
    assert_eq!(counts(&test).await, expected);

    // The same listings again: nothing is asked of the host.
    let asked = test.sandbox.requests();
    let again = HashPhotos::of(&units);
    let step = test.stepper.perform(&again).await.unwrap();
    let Outcome::Done(report) = step.outcome else {
        panic!("{:?}", step.outcome)
    };
    assert_eq!(
        (report["known"].as_u64(), report["fetched"].as_u64()),
        (Some(6), Some(0))
    );
    assert_eq!(test.sandbox.requests(), asked);
    assert_eq!(counts(&test).await, expected);
}

#[tokio::test]
async fn what_is_no_photo_is_named_and_the_others_go_on() {
    let mut test = TestApp::start().await;
    // What is gone today is looked for again later.
    test.forgive_left_behind();
    let names = [
        "missing/1",
        "page/1",
        "cut/1",
        "bomb/1",
        "inside/1",
        "bay/1/0",
    ];
    let urls: Vec<String> = names
        .iter()
        .map(|n| format!("http://photos.test/{n}.jpg"))
        .collect();
    let units = stocked(&mut test, &[&urls.join("|"), "file:///etc/passwd"]).await;
    test.run_all().await;
    let found: Vec<(String, String)> = photos(&test, units[0])
        .await
        .into_iter()
        .map(|photo| (photo.state, photo.problem.unwrap_or_default()))
        .collect();
    let expected = [
        ("gone", "404"),
        ("refused", "a web page"),
        ("refused", "cut off"),
        ("refused", "60000 x 60000"),
        ("refused", "169.254.169.254"),
        ("fetched", ""),
    ];
    assert_eq!(found.len(), expected.len());
    for ((state, problem), (wanted, words)) in found.iter().zip(expected) {
        assert_eq!(state, wanted, "{problem}");
        assert!(problem.contains(words), "{problem}");
    }
    assert_eq!(photos(&test, units[1]).await[0].state, "refused");
    // Delivered again, as after a crash: what was not there is asked for once more, or nobody would.
    let report = hash_again(&mut test, &units).await;
    assert_eq!((&report["gone"], &report["known"]), (&1.into(), &6.into()));
}

#[tokio::test]
async fn a_failing_host_is_left_alone_and_tried_again_later() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    let urls: Vec<String> = (0..40)
        .map(|n| format!("http://photos.test/busy/{n}.jpg"))
        .collect();
    let units = stocked(&mut test, &[&urls.join("|")]).await;
    test.run_all().await;
    let found = photos(&test, units[0]).await;
    assert!(found.iter().all(|photo| photo.state == "failed"));
    assert!(test.sandbox.requests() < 20, "{}", test.sandbox.requests());
    let left = test.stepper.left_behind().await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("hash_photos"), "{left:?}");
}

#[tokio::test]
async fn a_host_that_has_had_enough_is_left_alone_for_as_long_as_it_says() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    let throttled = embedded::PartnerFaults {
        throttled: 1.0,
        retry_after_s: 3 * 3600,
        ..embedded::PartnerFaults::default()
    };
    test.sandbox.misbehave(embedded::Faults {
        photos: throttled,
        ..embedded::Faults::default()
    });
    let urls: Vec<String> = (0..60)
        .map(|n| format!("http://photos.test/bay/{n}.jpg"))
        .collect();
    stocked(&mut test, &[&urls.join("|")]).await;
    test.run_all().await;
    assert!(test.sandbox.requests() < 20, "{}", test.sandbox.requests());
    let mut conn = test.app.pool.acquire().await.unwrap();
    let now = stores::now(&mut conn).await.unwrap();
    let filter = queue::JobFilter::default();
    let waiting = queue::Jobs::list(&mut conn, &filter, None, 100)
        .await
        .unwrap();
    let next = waiting
        .iter()
        .find(|job| job.kind == "hash_photos" && job.state == queue::JobState::Scheduled)
        .unwrap();
    let in_hours = next.run_at.duration_since(now).as_hours();
    assert!((2..=3).contains(&in_hours), "{in_hours}");
}

async fn hash_again(test: &mut TestApp, listings: &[i64]) -> serde_json::Value {
    let again = HashPhotos::of(listings);
    match test.stepper.perform(&again).await.unwrap().outcome {
        Outcome::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

/// As if the photos had been fetched long ago.
async fn a_week_passes(test: &TestApp) {
    let sql = "UPDATE photo_urls SET fetched_at = fetched_at - interval '8 days', asked_at = asked_at - interval '8 days'";
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_photo_is_asked_for_again_after_a_week_and_comes_only_when_it_changed() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    let served = |bytes: Vec<u8>, modified: &str| embedded::Served {
        bytes,
        modified: modified.to_owned(),
        ..embedded::Served::default()
    };
    let (first, second) = (
        embedded::Sandbox::placeholder(),
        include_bytes!("../../src/photos/tests/eighth/420.jpg"),
    );
    let monday = "Mon, 02 Nov 2026 08:00:00 GMT";
    test.sandbox.serve("front.jpg", served(first, monday));
    let units = stocked(
        &mut test,
        &["http://photos.test/files/front.jpg|http://photos.test/bay/0/0.jpg"],
    )
    .await;
    test.run_all().await;
    let before = photos(&test, units[0]).await;
    a_week_passes(&test).await;
    let report = hash_again(&mut test, &units).await;
    assert_eq!(
        (&report["unchanged"], &report["fetched"]),
        (&2.into(), &0.into())
    );
    assert_eq!(photos(&test, units[0]).await[0].digest, before[0].digest);
    // Not before another week.
    let report = hash_again(&mut test, &units).await;
    assert_eq!(report["known"], 2);
    // Another picture under the same address.
    a_week_passes(&test).await;
    let tuesday = "Tue, 03 Nov 2026 08:00:00 GMT";
    test.sandbox
        .serve("front.jpg", served(second.to_vec(), tuesday));
    let report = hash_again(&mut test, &units).await;
    assert_eq!(
        (&report["unchanged"], &report["fetched"]),
        (&1.into(), &1.into())
    );
    let after = photos(&test, units[0]).await;
    assert_ne!(after[0].digest, before[0].digest);
    assert_eq!(after[1].digest, before[1].digest);
    // Its host shows it to nobody for an hour: the photo stands.
    a_week_passes(&test).await;
    let shut = embedded::Served {
        authorization: "Basic somebody".to_owned(),
        ..served(second.to_vec(), tuesday)
    };
    test.sandbox.serve("front.jpg", shut);
    let report = hash_again(&mut test, &units).await;
    assert_eq!(report["gone"], 1);
    let stands = photos(&test, units[0]).await;
    assert_eq!(stands[0].digest, after[0].digest);
}

#[tokio::test]
async fn what_many_different_models_show_is_a_placeholder_until_an_operator_denies_it() {
    let mut test = TestApp::start().await;
    let coming = "http://photos.test/coming-soon.jpg";
    let models = ["Accord", "Civic", "CR-V", "Pilot", "Fit", "Odyssey"];
    let mut text = String::from("stock,vin,make,model,images\n");
    let mut line = |n: usize, model: &str, photo: &str| {
        text.push_str(&format!("A{n},1HGCM82633A004352,Honda,{model},{photo}\n"));
    };
    for n in 0..10 {
        line(
            n,
            models[n % 6],
            &format!("{coming}|http://photos.test/bay/{n}/0.jpg"),
        );
    }
    // A stock photo: as often, of one model.
    for n in 10..22 {
        line(n, "Accord", "http://photos.test/stock/1.jpg");
    }
    let units = loaded(&mut test, &text).await;
    test.run_all().await;
    let first = photos(&test, units[0]).await;
    assert!(first[0].placeholder && !first[0].hero);
    assert!(first[1].hero, "the first that is a photo");
    assert_eq!(counts(&test).await.placeholders, 10);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let digest = first[0].digest.clone().unwrap();
    Photos::deny_placeholder(&mut conn, &digest, "ops")
        .await
        .unwrap();
    drop(conn);
    a_week_passes(&test).await;
    hash_again(&mut test, &units).await;
    assert_eq!(
        counts(&test).await.placeholders,
        0,
        "nobody learns it again"
    );
}

#[tokio::test]
async fn what_a_slow_host_keeps_a_job_from_is_done_by_the_next() {
    let mut test = TestApp::start_with(|app| app.photos_begin_within = Duration::ZERO).await;
    test.forgive_left_behind();
    // Lost ones first, in the order they are asked in: the jobs must come to an end in spite of them.
    let lost = (0..20).map(|n| format!("http://photos.test/missing/{n}.jpg"));
    let urls: Vec<String> = lost
        .chain((0..20).map(|n| format!("http://photos.test/small/bay/{n}/0.jpg")))
        .collect();
    let units = stocked(&mut test, &[&urls.join("|")]).await;
    test.run_all().await;
    let found = photos(&test, units[0]).await;
    assert_eq!(found.len(), 40);
    for photo in found {
        let wanted = if photo.url.contains("missing") {
            "gone"
        } else {
            "fetched"
        };
        assert_eq!(photo.state, wanted, "{}", photo.url);
    }
    assert_eq!(test.sandbox.requests(), 40, "each asked for once");
}

#[tokio::test]
async fn photos_of_units_that_do_not_change_are_asked_for_again_within_a_month() {
    let mut test = TestApp::start().await;
    let photo = |n: usize| format!("http://photos.test/bay/{n}/0.jpg");
    let shown: Vec<String> = (0..9).map(photo).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).chain([""]).collect();
    let units = stocked(&mut test, &shown).await;
    test.run_all().await;
    let asked = test.sandbox.requests();
    a_week_passes(&test).await;
    let step = test.stepper.perform(&RevisitPhotos { nights: 1 }).await;
    assert_eq!(step.unwrap().outcome.word(), "done");
    test.run_all().await;
    assert_eq!(
        test.sandbox.requests() - asked,
        9,
        "every photo, and no more"
    );

    // In a round of four nights each unit with photos has one.
    let mut conn = test.app.pool.acquire().await.unwrap();
    let mut visited = Vec::new();
    for night in 20_000..20_004 {
        let tonight = Photos::to_revisit(&mut conn, night, 4).await.unwrap();
        assert!(tonight.len() <= 3, "{tonight:?}");
        visited.extend(tonight);
    }
    visited.sort_unstable();
    let with_photos: Vec<i64> = units
        .iter()
        .copied()
        .filter(|unit| visited.contains(unit))
        .collect();
    assert_eq!((visited.len(), with_photos.len()), (9, 9));
}

#[tokio::test]
async fn a_feed_shows_photos_of_the_unit_and_nothing_that_stands_for_them() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    let soon = "http://photos.test/coming-soon.jpg";
    let lost = "http://photos.test/missing/1.jpg";
    let real = "http://photos.test/bay/0/0.jpg";
    let mut conn = test.app.pool.acquire().await.unwrap();
    let digest = blake3::hash(&embedded::Sandbox::placeholder()).to_hex();
    Photos::add_placeholder(&mut conn, &digest, "test")
        .await
        .unwrap();
    let units = stocked(
        &mut test,
        &[&format!("{soon}|{lost}|{real}"), soon, lost, real],
    )
    .await;
    test.run_all().await;
    let mut definition = feeds::Definition::parse(feeds::BUILT_IN[2].1).unwrap();
    definition.checks = vec![feeds::Check::Photo];
    let key = definition.key.clone();
    let definition = serde_json::to_value(definition).unwrap();
    stores::Feeds::put(&mut conn, &key, &key, &definition)
        .await
        .unwrap();
    let step = test.stepper.perform(&BuildFeed { feed: key }).await;
    let Outcome::Done(run) = step.unwrap().outcome else {
        panic!("the feed is built")
    };
    let object = test.app.objects.get("feeds/generic/latest.csv").await;
    let text = String::from_utf8(object.unwrap()).unwrap();
    assert_eq!(text.matches(soon).count(), 0, "{text}");
    // Where nothing else is shown: its host may answer others.
    assert_eq!(text.matches(lost).count(), 1, "{text}");
    assert_eq!(text.matches(real).count(), 2, "{text}");
    let run = run["id"].as_i64().unwrap();
    let left_out = stores::Feeds::exclusions_of(&mut conn, run, &units)
        .await
        .unwrap();
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0].listing_id, units[1]);
    assert!(
        left_out[0]
            .reasons
            .contains(&"photo_placeholder".to_owned())
    );
}

#[tokio::test]
async fn our_own_storage_shows_a_photo_in_every_size_and_forgets_it() {
    let mut test = TestApp::start().await;
    let order = serde_json::json!({
        "kind": "upload", "url": "s3:shown", "shown_at": "https://cdn.example.com/", "sizes": [64, 4_000],
    });
    let order = serde_json::from_value(order).unwrap();
    jobs::providers::put(&test.app, "cdn", order, "ops")
        .await
        .unwrap();
    let real = "http://photos.test/bay/0/0.jpg";
    let units = stocked(&mut test, &[real]).await;
    test.run_all().await;
    let photo = photos(&test, units[0]).await.remove(0);
    let digest = photo.digest.unwrap();
    let shown = &photo.uploads[0];
    let (original, small) = (
        format!("shown/{digest}.jpeg"),
        format!("shown/{digest}-64.jpeg"),
    );
    assert_eq!(shown.url, format!("https://cdn.example.com/{original}"));
    let sizes: Vec<(i32, &str)> = shown
        .sizes
        .iter()
        .map(|s| (s.width, s.url.as_str()))
        .collect();
    assert_eq!(
        sizes,
        [(64, format!("https://cdn.example.com/{small}").as_str())]
    );
    let bytes = test.app.objects.get(&original).await.unwrap();
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), digest);
    let copy = test.app.objects.get(&small).await.unwrap();
    let copy = photos::fingerprint(&copy, photos::Limits::DEFAULT).unwrap();
    assert_eq!(copy.width, 64);

    let mut definition = feeds::Definition::parse(feeds::BUILT_IN[2].1).unwrap();
    definition.photos_by = Some("cdn".to_owned());
    let key = definition.key.clone();
    let mut conn = test.app.pool.acquire().await.unwrap();
    stores::Feeds::put(
        &mut conn,
        &key,
        &key,
        &serde_json::to_value(definition).unwrap(),
    )
    .await
    .unwrap();
    drop(conn);
    let step = test.stepper.perform(&BuildFeed { feed: key }).await;
    assert_eq!(step.unwrap().outcome.word(), "done");
    let object = test.app.objects.get("feeds/generic/latest.csv").await;
    let text = String::from_utf8(object.unwrap()).unwrap();
    assert!(text.contains(&shown.url) && !text.contains(real), "{text}");

    let old =
        "DELETE FROM listing_photos; UPDATE photo_urls SET fetched_at = now() - interval '99 days'";
    stores::execute_for_tests(&test.app.pool, old)
        .await
        .unwrap();
    test.stepper
        .perform(&jobs::PruneHistory::default())
        .await
        .unwrap();
    for key in [original, small] {
        assert!(!test.app.objects.exists(&key).await.unwrap(), "{key}");
    }
}

/// A host's budget makes photos late, and loses none.
#[tokio::test]
async fn a_host_with_a_budget_is_waited_for() {
    let mut test = TestApp::start().await;
    // Six ask at once: the last of them would wait longer than anybody may.
    let paced = "INSERT INTO partners (name, calls_per_second) VALUES ('photos photos.test', 2)";
    stores::execute_for_tests(&test.app.pool, paced)
        .await
        .unwrap();
    let urls: Vec<String> = (0..10)
        .map(|n| format!("http://photos.test/small/bay/{n}/0.jpg"))
        .collect();
    let units = stocked(&mut test, &[&urls.join("|")]).await;
    test.run_all().await;
    let found = photos(&test, units[0]).await;
    assert!(
        found.iter().all(|photo| photo.state == "fetched"),
        "{found:?}"
    );
}
