//! What providers say of vehicles, from providers that fail.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use embedded::{Faults, PartnerFaults};
use jobs::testing::TestApp;
use jobs::{LoadFile, RefreshHistory};
use queue::Outcome;
use stores::{Alerts, Dealers, ListingFilter, Listings, ProviderView, Providers};

/// VINs with a right check digit, of one maker.
fn vins(count: u32) -> Vec<String> {
    (0..count)
        .map(|n| {
            let plain = domain::Vin::parse(&format!("1HGCM82603A{:06}", 4_001 + n)).unwrap();
            let mut vin = plain.as_str().to_owned();
            vin.replace_range(8..9, &plain.expected_check_digit().to_string());
            vin
        })
        .collect()
}

async fn stocked(test: &mut TestApp, vins: &[String]) {
    let mut text = String::from("stock,vin,miles,price,title brand\n");
    for (n, vin) in vins.iter().enumerate() {
        text.push_str(&format!("A{n},{vin},30000,19000,Clean\n"));
    }
    let dealer = domain::Dealer {
        key: "bayview".to_owned(),
        ..domain::Dealer::default()
    };
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = Dealers::put(&mut conn, &dealer).await.unwrap();
    drop(conn);
    let file = test
        .handed_in("vehicles", Some(dealer), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
}

async fn view(test: &TestApp, name: &str) -> ProviderView {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let views = Providers::views(&mut conn).await.unwrap();
    views.into_iter().find(|view| view.name == name).unwrap()
}

async fn sql(test: &TestApp, sql: &'static str) {
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn units_learn_their_past_and_their_worth() {
    let mut test = TestApp::start().await;
    test.providers().await;
    let vins = vins(60);
    stocked(&mut test, &vins).await;
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let all = ListingFilter::default();
    let listings = Listings::list(&mut conn, &all, 0, 100).await.unwrap();
    assert_eq!(listings.len(), 60);
    let details: Vec<_> = listings.iter().map(|l| &l.details).collect();
    assert!(details.iter().all(|d| d.owners.is_some_and(|n| n > 0)));
    assert!(
        details
            .iter()
            .all(|d| d.market_cents.is_some_and(|c| c > 100_000))
    );
    let branded: Vec<_> = listings
        .iter()
        .filter(|l| !domain::title::clean(&l.details))
        .collect();
    assert!(!branded.is_empty(), "the sandbox has salvage among sixty");
    // The dealer said clean, and the report did not: an operator sees both.
    let told = stores::Vins::contradictions(&mut conn, branded[0].id)
        .await
        .unwrap();
    assert!(
        told.iter()
            .any(|c| c.field == "title_brand" && c.listing_value == "Clean")
    );
    drop(conn);
    // Sixty pages, and one call for all worths and its token.
    assert_eq!(test.sandbox.requests_of("history"), 60);
    assert!(test.sandbox.requests_of("values") <= 3);
    // The same again: nobody is asked.
    let provider = "past".to_owned();
    test.stepper
        .perform(&RefreshHistory { provider })
        .await
        .unwrap();
    assert_eq!(test.sandbox.requests_of("history"), 60);
}

/// What is said of a vehicle goes with it: nobody asks on, and after its retention nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_is_gone_is_not_asked_about_and_is_forgotten() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    test.providers().await;
    stocked(&mut test, &vins(3)).await;
    test.run_all().await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let pages = stores::Histories::of(&mut conn, &vins(3)).await.unwrap();
    let page = pages[0].report.raw_key.clone().unwrap();
    assert!(test.app.objects.exists(&page).await.unwrap());
    // One is due still when all leave; the archive takes them out of the tables.
    let gone = "INSERT INTO enrichment_due (provider, subject, priority) SELECT 'past', vin, 1 FROM listings LIMIT 1;
        UPDATE listings SET status = 'removed'; UPDATE providers SET looked_at = NULL;
        UPDATE enrichment_due SET due_at = now() + interval '1 hour'";
    sql(&test, gone).await;
    let provider = "past".to_owned();
    test.stepper
        .perform(&RefreshHistory { provider })
        .await
        .unwrap();
    assert_eq!(view(&test, "past").await.due, 0);
    assert_eq!(view(&test, "past").await.failing, 0);
    sql(
        &test,
        "UPDATE history_reports SET fetched_at = now() - interval '99 days';
        UPDATE valuations SET day = current_date - 99",
    )
    .await;
    test.stepper
        .perform(&jobs::PruneHistory::default())
        .await
        .unwrap();
    assert_eq!(
        view(&test, "past").await.answers,
        3,
        "a listing is there still"
    );
    let archive = jobs::ArchiveListings { after_days: 0 };
    test.stepper.perform(&archive).await.unwrap();
    test.stepper
        .perform(&jobs::PruneHistory::default())
        .await
        .unwrap();
    assert_eq!(view(&test, "past").await.answers, 0);
    assert_eq!(view(&test, "worth").await.answers, 0);
    assert!(!test.app.objects.exists(&page).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_built_anew_is_an_alert_and_never_a_blank() {
    let mut test = TestApp::start().await;
    test.providers().await;
    stocked(&mut test, &vins(12)).await;
    test.run_all().await;
    let redesigned = PartnerFaults {
        redesigned: true,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        history: redesigned,
        ..Faults::default()
    });
    sql(
        &test,
        "UPDATE history_reports SET fetched_at = now() - interval '40 days';
         UPDATE providers SET looked_at = now() - interval '1 day'",
    )
    .await;
    let provider = "past".to_owned();
    let again = RefreshHistory { provider };
    test.stepper.perform(&again).await.unwrap();
    // None can be read: one is told of, and the others stay due until somebody has looked.
    let past = view(&test, "past").await;
    assert_eq!((past.drifted, past.due), (1, 11));
    let mut conn = test.app.pool.acquire().await.unwrap();
    let listings = Listings::list(&mut conn, &ListingFilter::default(), 0, 10)
        .await
        .unwrap();
    assert!(
        listings.iter().all(|l| l.details.owners.is_some()),
        "what was told stands"
    );
    let alert = Alerts::undelivered(&mut conn).await.unwrap();
    let mut words = Vec::new();
    for id in alert {
        let alert = Alerts::find(&mut conn, id).await.unwrap().unwrap();
        words.push(format!("{} {}", alert.what, alert.message));
    }
    drop(conn);
    let drift = words
        .iter()
        .find(|words| words.starts_with("history_drift"));
    assert!(drift.unwrap().contains("no vin (#report)"), "{words:?}");
    // The page is as it was, and somebody puts the selectors again: what could not be read is asked anew.
    test.sandbox.misbehave(Faults::default());
    test.providers().await;
    test.stepper.hurry("refresh_history").await.unwrap();
    test.run_all().await;
    let past = view(&test, "past").await;
    assert_eq!((past.drifted, past.due), (0, 0));
}

/// A vehicle that its service will not tell us of does not end the provider's work, nor stand first in line for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_about_one_vehicle_keeps_no_other_from_its_answer() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    test.providers().await;
    let vins = vins(9);
    let refused = PartnerFaults {
        poison: vins[0].clone(),
        poison_status: 403,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        history: refused,
        ..Faults::default()
    });
    stocked(&mut test, &vins).await;
    for step in test.run_all().await {
        let fine = matches!(step.outcome, Outcome::Done(_) | Outcome::Snooze { .. });
        assert!(fine, "{}: {:?}", step.kind, step.outcome);
    }
    let past = view(&test, "past").await;
    assert_eq!((past.answers, past.failing), (8, 1));
    assert!(past.problem.unwrap().contains("403"));
}

/// One partner is down: no attempt is used, nobody else waits, and what it was to be asked stays due.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_down_costs_no_attempt_and_holds_up_nobody() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    test.providers().await;
    let down = PartnerFaults {
        down: true,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        values: down,
        ..Faults::default()
    });
    stocked(&mut test, &vins(120)).await;
    for step in test.run_all().await {
        let fine = matches!(step.outcome, Outcome::Done(_) | Outcome::Snooze { .. });
        assert!(fine, "{}: {:?}", step.kind, step.outcome);
    }
    assert_eq!(view(&test, "past").await.answers, 120);
    let worth = view(&test, "worth").await;
    assert_eq!((worth.answers, worth.due + worth.failing), (0, 120));
}

/// One vehicle that its service cannot answer for takes no other's answer away, and is asked about again.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_subject_does_not_keep_a_batch_from_its_answers() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    test.providers().await;
    let vins = vins(120);
    let poisoned = PartnerFaults {
        poison: vins[70].clone(),
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        values: poisoned,
        ..Faults::default()
    });
    stocked(&mut test, &vins).await;
    until(
        &mut test,
        "valuation worth",
        "refresh_valuations",
        "worth",
        119,
    )
    .await;
    let worth = view(&test, "worth").await;
    assert_eq!((worth.answers, worth.due + worth.failing), (119, 1));
    // It waits for its next try, and a job for it: nobody has to wake it.
    let waiting = test.stepper.left_behind().await.unwrap();
    assert!(
        waiting.iter().any(|job| job.contains("refresh_valuations")),
        "{waiting:?}"
    );
    test.sandbox.misbehave(Faults::default());
    rounds(&mut test, "valuation worth", "refresh_valuations", "worth").await;
}

/// A service that knows us no more, or has moved: nobody is blamed for it, and it is not asked about everybody in turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_nobody_is_not_asked_about_everybody() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    test.providers().await;
    let denied = PartnerFaults {
        denied: true,
        ..PartnerFaults::default()
    };
    let wrong = PartnerFaults {
        wrong: 1.0,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        history: denied,
        values: wrong,
        ..Faults::default()
    });
    stocked(&mut test, &vins(900)).await;
    for step in test.run_all().await {
        let fine = matches!(step.outcome, Outcome::Done(_) | Outcome::Snooze { .. });
        assert!(fine, "{}: {:?}", step.kind, step.outcome);
    }
    let past = view(&test, "past").await;
    assert_eq!(
        (past.answers, past.due),
        (0, 900),
        "403 is no answer about a vehicle"
    );
    assert!(test.sandbox.requests_of("history") < 20);
    let mut conn = test.app.pool.acquire().await.unwrap();
    let open = stores::Alerts::open(&mut conn).await.unwrap();
    let mut told: Vec<(&str, &str)> = open
        .iter()
        .filter(|alert| alert.what == "provider_failing")
        .map(|alert| (alert.subject.as_str(), alert.message.as_str()))
        .collect();
    told.sort_unstable();
    assert!(
        matches!(told[..], [("past", why), ("worth", _)] if why.contains("403")),
        "{open:?}"
    );
    drop(conn);
    // The key is put right: what waits for it does not wait for the night.
    test.providers().await;
    let waiting = test.stepper.left_behind().await.unwrap();
    let woken = |job: &&String| job.contains("refresh_history");
    assert_eq!(waiting.iter().filter(woken).count(), 1, "{waiting:?}");
    let asked = test.sandbox.requests_of("values");
    assert!((2..=40).contains(&asked), "{asked}");
    assert_eq!(view(&test, "worth").await.answers, 0);
}

/// What is old is looked for once in a night, not at the end of every job.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_looked_for_once_a_night() {
    let mut test = TestApp::start().await;
    test.providers().await;
    stocked(&mut test, &vins(3)).await;
    test.run_all().await;
    sql(
        &test,
        "UPDATE history_reports SET fetched_at = now() - interval '40 days'",
    )
    .await;
    let provider = "past".to_owned();
    let again = RefreshHistory { provider };
    test.stepper.perform(&again).await.unwrap();
    assert_eq!(test.sandbox.requests_of("history"), 3, "looked already");
    sql(
        &test,
        "UPDATE providers SET looked_at = now() - interval '1 day'",
    )
    .await;
    test.stepper.perform(&again).await.unwrap();
    assert_eq!(test.sandbox.requests_of("history"), 6);
}

/// A fifth of all calls fail, some are throttled, one partner is down: nothing is lost, no attempt is used, and what is
/// missing comes when the partner does.
#[tokio::test(flavor = "multi_thread")]
async fn what_failing_partners_owe_is_made_up_for() {
    let mut test = TestApp::start().await;
    test.forgive_left_behind();
    test.providers().await;
    let failing = PartnerFaults {
        errors: 0.2,
        throttled: 0.03,
        ..PartnerFaults::default()
    };
    let down = PartnerFaults {
        down: true,
        ..PartnerFaults::default()
    };
    test.sandbox.misbehave(Faults {
        values: down,
        ..Faults::all(&failing)
    });
    stocked(&mut test, &vins(120)).await;
    rounds(&mut test, "history past", "refresh_history", "past").await;
    assert_eq!(view(&test, "worth").await.answers, 0);
    test.sandbox.misbehave(Faults::default());
    rounds(&mut test, "valuation worth", "refresh_valuations", "worth").await;
    assert_eq!(view(&test, "worth").await.due, 0);
}

/// Lets the waits of a provider pass, again and again, until everything is answered.
async fn rounds(test: &mut TestApp, partner: &str, kind: &str, provider: &str) {
    until(test, partner, kind, provider, 120).await;
}

async fn until(test: &mut TestApp, partner: &str, kind: &str, provider: &str, answers: i64) {
    for _ in 0..200 {
        for step in test.run_all().await {
            let fine = matches!(step.outcome, Outcome::Done(_) | Outcome::Snooze { .. });
            assert!(fine, "{}: {:?}", step.kind, step.outcome);
        }
        if view(test, provider).await.answers >= answers {
            return;
        }
        // Whatever break a bad run of calls has earned it, it is over, and the next call is its probe.
        let mut conn = test.app.pool.acquire().await.unwrap();
        queue::Partner::probe_now(&mut conn, partner, "ops")
            .await
            .unwrap();
        drop(conn);
        test.app.partners.look_again(partner);
        sql(
            test,
            "UPDATE enrichment_due SET due_at = due_at - interval '6 hours'",
        )
        .await;
        test.stepper.hurry(kind).await.unwrap();
    }
    panic!("{provider}: {:?}", view(test, provider).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_badge_file_changes_what_is_reported_and_no_stock() {
    let mut test = TestApp::start().await;
    let vins = vins(3);
    stocked(&mut test, &vins).await;
    test.run_all().await;
    let first = format!(
        "VIN,Owners,Accidents,Title Brand,Report URL\n{},2,1,Salvage,http://r/0\n{},1,0,Clean,\n1HGCM8263OA004352,1,0,,\n",
        vins[0], vins[1]
    );
    let counts = badges(&mut test, &first).await;
    assert_eq!((counts.rows, counts.created, counts.rejected), (3, 2, 1));
    let units = units(&test).await;
    assert_eq!(units.len(), 3, "nothing came, nothing left the lot");
    let unit = |n: usize| {
        &units
            .iter()
            .find(|unit| unit.stock_number == format!("A{n}"))
            .unwrap()
            .details
    };
    assert_eq!((unit(0).owners, unit(0).accidents), (Some(2), Some(1)));
    assert!(!domain::title::clean(unit(0)) && domain::title::clean(unit(1)));
    assert_eq!(unit(2).owners, None);
    // Who is not named keeps what was said, and so does a brand whose column is not there.
    let second = format!("VIN,Owners,Accidents\n{},2,1\n{},3,0\n", vins[0], vins[2]);
    let counts = badges(&mut test, &second).await;
    assert_eq!(
        (counts.created, counts.updated, counts.unchanged),
        (1, 0, 1)
    );
    let counts = badges(&mut test, &format!("{second}\n")).await;
    assert_eq!(
        (counts.created, counts.updated, counts.unchanged),
        (0, 0, 2)
    );
    let units = self::units(&test).await;
    let unit = |n: usize| {
        &units
            .iter()
            .find(|unit| unit.stock_number == format!("A{n}"))
            .unwrap()
            .details
    };
    assert_eq!((unit(1).owners, unit(2).owners), (Some(1), Some(3)));
    assert_eq!(unit(0).reported_title_brand.as_deref(), Some("Salvage"));
    // What is no number of owners is refused, and no script is an address; and what was handed in by mistake is taken back.
    let wild = format!(
        "VIN,Owners,Accidents,Report URL\n{},2019,2,javascript:alert(1)\n",
        vins[2]
    );
    badges(&mut test, &wild).await;
    let mut conn = test.app.pool.acquire().await.unwrap();
    let told = stores::Histories::of(&mut conn, &vins[2..]).await.unwrap();
    let report = &told[0].report;
    assert_eq!((report.owners, report.accidents), (Some(3), Some(2)));
    assert_eq!(report.report_url, None);
    drop(conn);
    jobs::providers::remove(&test.app, &report.provider, "jane")
        .await
        .unwrap();
    test.run_all().await;
    let left = self::units(&test).await;
    assert!(left.iter().all(|unit| unit.details.owners.is_none()));
    // The file that told it is still the source's.
    let prune = jobs::PruneHistory::default();
    test.stepper.perform(&prune).await.unwrap();
    let file = report.raw_key.clone().unwrap();
    assert!(test.app.objects.exists(&file).await.unwrap());
    let nobody = jobs::providers::remove(&test.app, &report.provider, "jane").await;
    assert!(nobody.is_err());
}

async fn units(test: &TestApp) -> Vec<domain::Listing> {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let all = ListingFilter::default();
    Listings::list(&mut conn, &all, 0, 100).await.unwrap()
}

/// Hands a badge file in; what became of its rows.
async fn badges(test: &mut TestApp, text: &str) -> stores::FileCounts {
    let mut conn = test.app.pool.acquire().await.unwrap();
    let dealer = Dealers::find(&mut conn, "bayview").await.unwrap().unwrap();
    drop(conn);
    let file = test
        .handed_in("badges", Some(dealer.id), false, text.as_bytes())
        .await;
    let step = test.stepper.perform(&LoadFile { file }).await.unwrap();
    assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome);
    let mut conn = test.app.pool.acquire().await.unwrap();
    stores::Files::get(&mut conn, file).await.unwrap().counts
}
