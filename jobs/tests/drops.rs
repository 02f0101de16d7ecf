//! Drops as they are: OpenSSH's own server, lines that are cut, files that are still being written.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use embedded::Sshd;
use flate2::Compression;
use flate2::write::GzEncoder;
use jobs::PullSource;
use jobs::testing::TestApp;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stores::{
    AfterLoad, Alerts, Dealers, FileState, Files, Listings, Login, NewSource, OwnMappings, Settle,
    SourceRow, Sources, Terms,
};

struct Yard {
    test: TestApp,
    sshd: Sshd,
    /// What the dealer sees.
    folder: PathBuf,
}

async fn yard(settle: Settle, after_load: AfterLoad) -> Yard {
    let test = TestApp::start().await;
    let sshd = Sshd::start(&test.root.join("sshd")).unwrap();
    let folder = test.root.join("real");
    std::fs::create_dir_all(&folder).unwrap();
    let yard = Yard { test, sshd, folder };
    yard.put(settle, after_load).await;
    yard
}

impl Yard {
    async fn put(&self, settle: Settle, after_load: AfterLoad) {
        let app = &self.test.app;
        let mut conn = app.pool.acquire().await.unwrap();
        let dealer = domain::Dealer {
            key: "bayview".to_owned(),
            name: "bayview".to_owned(),
            ..domain::Dealer::default()
        };
        let dealer_id = Dealers::put(&mut conn, &dealer).await.unwrap();
        let purpose = SourceRow::purpose("bayview");
        let source = NewSource {
            kind: stores::SourceKind::Sftp,
            url: String::new(),
            key: "bayview".to_owned(),
            dealer_id: Some(dealer_id),
            create_dealers: false,
            max_removed_percent: 30,
            host: "127.0.0.1".to_owned(),
            port: self.sshd.port,
            username: self.sshd.username.clone(),
            secret: app.sealer.seal(&purpose, &self.sshd.private_key).unwrap(),
            host_key: self.sshd.fingerprint.clone(),
            folder: self.folder.to_str().unwrap().to_owned(),
            pattern: "*.csv".to_owned(),
            mapping: "equipment".to_owned(),
            terms: Terms {
                login: Login::Key,
                settle,
                after_load,
                ..Terms::default()
            },
        };
        Sources::put(&mut conn, &source).await.unwrap();
    }

    fn drop_file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    /// As if so many seconds earlier, or later.
    fn written(&self, name: &str, ago: i64) {
        let file = std::fs::File::options()
            .write(true)
            .open(self.folder.join(name))
            .unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        let by = Duration::from_secs(ago.unsigned_abs());
        let then = match ago < 0 {
            true => written + by,
            false => written - by,
        };
        file.set_modified(then).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    /// The pull, or what is left of it; its outcome in a word, and why.
    async fn pull(&mut self) -> (String, String) {
        let pull = PullSource {
            source: "bayview".to_owned(),
        };
        let step = self.test.stepper.perform(&pull).await.unwrap();
        (
            step.outcome.word().to_owned(),
            format!("{:?}", step.outcome),
        )
    }

    /// Whatever waits does so no longer.
    async fn later(&mut self) -> Vec<String> {
        self.test.stepper.hurry("pull_source").await.unwrap();
        let steps = self.test.run_all().await;
        steps
            .into_iter()
            .map(|step| format!("{} {}", step.kind, step.outcome.word()))
            .collect()
    }

    async fn loaded(&self) -> Vec<(String, FileState)> {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        let files = Files::list(&mut conn, None, 10).await.unwrap();
        files.into_iter().map(|f| (f.name, f.state)).collect()
    }
}

const HEADER: &str = "Stock Number,Year,Make,Model,Price,Description\n";

fn rows(count: usize, filler: usize) -> String {
    let mut text = HEADER.to_owned();
    for n in 0..count {
        // Not to be compressed away, and no two alike.
        let noise: String = (0..filler / 16)
            .map(|k| blake3::hash(format!("{n} {k}").as_bytes()).to_hex()[..16].to_owned())
            .collect();
        text.push_str(&format!("S{n},2020,Bobcat,S650,{},{noise}\n", 20_000 + n));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_is_cut_in_the_middle_goes_on_where_it_stopped() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let text = rows(400, 20_000);
    let bytes = text.len() as u64;
    assert!(bytes > 7_000_000);
    yard.drop_file("stock.csv", &text);
    yard.sshd.break_after(Some(4_000_000), false);
    let (word, why) = yard.pull().await;
    assert_eq!(word, "snooze", "{why}");
    let staged: u64 = std::fs::read_dir(&yard.test.app.staging)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(staged > 2_000_000, "{staged} staged before the cut");
    yard.sshd.break_after(None, false);
    let before = yard.sshd.carried();
    let done = yard.later().await;
    assert_eq!(done[..2], ["pull_source done", "load_file done"]);
    let carried = yard.sshd.carried() - before;
    assert!(
        carried < bytes - staged + 500_000,
        "{carried} more bytes for a file of {bytes}, {staged} were there"
    );
    let mut conn = yard.test.app.pool.acquire().await.unwrap();
    assert_eq!(Listings::counts(&mut conn).await.unwrap().1, 400);
    assert_eq!(
        std::fs::read_dir(&yard.test.app.staging).unwrap().count(),
        0,
        "the stage is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_still_being_written_is_left_until_it_is_whole() {
    let mut yard = yard(Settle::Twice, AfterLoad::Leave).await;
    yard.drop_file("ready.csv", &rows(3, 16));
    let path = yard.folder.join("growing.csv");
    std::fs::write(&path, HEADER).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    // It grows when the line is quiet: between the two looks, and not while it would be fetched.
    let writer = {
        let (stop, carried) = (stop.clone(), yard.sshd.carrying());
        tokio::spawn(async move {
            let (mut n, mut told, mut quiet) = (100, 0, Instant::now());
            while !stop.load(Ordering::SeqCst) {
                let now = carried();
                if now != told || quiet.elapsed() < Duration::from_millis(300) {
                    if now != told {
                        (told, quiet) = (now, Instant::now());
                    }
                    tokio::task::yield_now().await;
                    continue;
                }
                quiet = Instant::now();
                let mut text = std::fs::read_to_string(&path).unwrap();
                text.push_str(&format!("S{n},2020,Bobcat,S650,1,\n"));
                std::fs::write(&path, text).unwrap();
                n += 1;
            }
        })
    };
    let (word, why) = yard.pull().await;
    assert_eq!(word, "snooze", "{why}");
    assert!(why.contains("growing.csv is still being written"), "{why}");
    assert_eq!(
        yard.loaded().await,
        [("ready.csv".to_owned(), FileState::Fetched)],
        "the one beside it does not wait"
    );
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    yard.later().await;
    assert_eq!(
        yard.loaded().await[0],
        ("growing.csv".to_owned(), FileState::Loaded)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_says_that_a_file_is_whole_and_goes_with_it() {
    let mut yard = yard(Settle::Marker(".done".to_owned()), AfterLoad::Delete).await;
    yard.drop_file("stock.csv", &rows(3, 16));
    yard.drop_file("other.txt.done", "");
    assert_eq!(yard.pull().await.0, "done");
    assert!(yard.loaded().await.is_empty());
    yard.drop_file("stock.csv.done", "");
    assert_eq!(yard.pull().await.0, "done");
    let done = yard.later().await;
    assert!(done.contains(&"clear_drop done".to_owned()), "{done:?}");
    assert_eq!(
        yard.loaded().await,
        [("stock.csv".to_owned(), FileState::Loaded)]
    );
    assert!(!yard.has("stock.csv") && !yard.has("stock.csv.done"));
    assert!(yard.has("other.txt.done"), "not ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_is_older_than_its_file_is_of_the_file_before() {
    let mut yard = yard(Settle::Marker(".done".to_owned()), AfterLoad::Leave).await;
    yard.drop_file("stock.csv", &rows(3, 16));
    yard.drop_file("stock.csv.done", "");
    yard.written("stock.csv.done", 3_600);
    yard.pull().await;
    assert!(yard.loaded().await.is_empty());
    yard.drop_file("stock.csv.done", "");
    yard.pull().await;
    yard.later().await;
    assert_eq!(yard.loaded().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_written_before_what_is_loaded_is_held_until_an_operator_wants_it() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    yard.drop_file("tuesday.csv", &rows(3, 16));
    yard.pull().await;
    yard.later().await;
    yard.drop_file("monday.csv", &rows(4, 16));
    yard.written("monday.csv", 24 * 3_600);
    yard.pull().await;
    yard.later().await;
    let held = ("monday.csv".to_owned(), FileState::Held);
    assert_eq!(yard.loaded().await[0], held);
    let mut conn = yard.test.app.pool.acquire().await.unwrap();
    let file = Files::list(&mut conn, None, 1).await.unwrap().remove(0);
    assert!(file.held_reason.unwrap().contains("written later"));
    Files::release(&mut conn, file.id, "ops").await.unwrap();
    drop(conn);
    let load = jobs::LoadFile { file: file.id };
    yard.test.stepper.perform(&load).await.unwrap();
    yard.later().await;
    assert_eq!(yard.loaded().await[0].1, FileState::Loaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_once_holds_no_file_after() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    yard.drop_file("monday.csv", &rows(3, 16));
    yard.written("monday.csv", -5 * 365 * 24 * 3_600);
    yard.pull().await;
    yard.later().await;
    yard.drop_file("tuesday.csv", &rows(4, 16));
    // Written after the first was seen.
    yard.written("tuesday.csv", -60);
    yard.pull().await;
    yard.later().await;
    let loaded = ("tuesday.csv".to_owned(), FileState::Loaded);
    assert_eq!(yard.loaded().await[0], loaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_weeks_file_of_the_name_written_anew_is_todays_stock() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let day = 24 * 3_600;
    for (name, units, ago) in [("mon.csv", 3, 7), ("tue.csv", 4, 6), ("mon.csv", 3, 0)] {
        yard.drop_file(name, &rows(units, 16));
        yard.written(name, ago * day);
        yard.pull().await;
        yard.later().await;
    }
    let states = yard.loaded().await;
    let loaded = ("mon.csv".to_owned(), FileState::Loaded);
    assert_eq!((states.len(), &states[0]), (3, &loaded), "{states:?}");
    // All put there anew at once: nothing is news.
    for (name, units) in [("mon.csv", 3), ("tue.csv", 4)] {
        yard.drop_file(name, &rows(units, 16));
    }
    yard.pull().await;
    yard.later().await;
    assert_eq!(yard.loaded().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_another_name_are_cleared_like_the_first() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Delete).await;
    yard.drop_file("monday.csv", &rows(3, 16));
    yard.pull().await;
    yard.later().await;
    yard.drop_file("tuesday.csv", &rows(3, 16));
    let (_, report) = yard.pull().await;
    assert!(report.contains("\"known\": Number(1)"), "{report}");
    let done = yard.later().await;
    assert_eq!(done, ["clear_drop done"]);
    assert!(!yard.has("tuesday.csv"));
    assert_eq!(yard.loaded().await.len(), 1, "one entry of the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_again_before_its_load_is_cleared_with_it() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Delete).await;
    yard.drop_file("monday.csv", &rows(3, 16));
    yard.pull().await;
    yard.drop_file("tuesday.csv", &rows(3, 16));
    yard.pull().await;
    let done = yard.later().await;
    assert_eq!(
        done.iter()
            .filter(|done| *done == "clear_drop done")
            .count(),
        2,
        "{done:?}"
    );
    assert!(!yard.has("monday.csv") && !yard.has("tuesday.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_under_another_name_are_fetched_once() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let text = rows(30, 4_000);
    yard.drop_file("monday.csv", &text);
    yard.pull().await;
    yard.later().await;
    yard.drop_file("tuesday.csv", &text);
    yard.pull().await;
    let before = yard.sshd.carried();
    yard.pull().await;
    let carried = yard.sshd.carried() - before;
    assert!(
        carried < 50_000,
        "{carried} bytes to see that nothing is new"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_is_left_alone_by_all_its_sources() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    yard.test.forgive_left_behind();
    let host = format!("host 127.0.0.1:{}", yard.sshd.port);
    let down = format!(
        "INSERT INTO partners (name, state, reason, until) VALUES ('{host}', 'open', 'it is down', now() + interval '1 hour')"
    );
    stores::execute_for_tests(&yard.test.app.pool, down.leak())
        .await
        .unwrap();
    let (word, why) = yard.pull().await;
    assert!(word == "snooze" && why.contains(&host), "{why}");
    assert_eq!(yard.sshd.carried(), 0, "nobody called it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loaded_file_is_moved_and_one_that_came_since_stays() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let aside = yard.folder.join("loaded");
    yard.put(
        Settle::AtOnce,
        AfterLoad::Move(aside.to_str().unwrap().to_owned()),
    )
    .await;
    yard.drop_file("stock.csv", &rows(3, 16));
    assert_eq!(yard.pull().await.0, "done");
    yard.later().await;
    assert!(!yard.has("stock.csv") && yard.has("loaded/stock.csv"));
    // The dealer drops the next night's while this one is being loaded.
    yard.drop_file("stock.csv", &rows(4, 16));
    assert_eq!(yard.pull().await.0, "done");
    yard.drop_file("stock.csv", &rows(5, 16));
    yard.later().await;
    assert!(yard.has("stock.csv"), "nobody has loaded this one");
    assert_eq!(yard.pull().await.0, "done");
    yard.later().await;
    assert!(!yard.has("stock.csv"));
    // One name every night: the first night's is kept beside.
    let kept = std::fs::read_dir(&aside).unwrap();
    assert_eq!(kept.count(), 2);
    let mut conn = yard.test.app.pool.acquire().await.unwrap();
    assert_eq!(Listings::counts(&mut conn).await.unwrap().1, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_key_is_told_to_somebody_and_settled_when_it_is_pinned() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let mut conn = yard.test.app.pool.acquire().await.unwrap();
    Sources::pin(&mut conn, "bayview", "SHA256:before")
        .await
        .unwrap();
    assert_eq!(yard.pull().await.0, "dead");
    let open = Alerts::open(&mut conn).await.unwrap();
    assert_eq!(open[0].what, "host_key_changed");
    assert!(
        open[0].message.contains("SHA256:before")
            && open[0].message.contains(&yard.sshd.fingerprint),
        "{}",
        open[0].message
    );
    let (host, port) = ("127.0.0.1", yard.sshd.port);
    let shown = tokio::task::spawn_blocking(move || partners::sftp::host_key(host, port))
        .await
        .unwrap();
    Sources::pin(&mut conn, "bayview", &shown.unwrap())
        .await
        .unwrap();
    assert_eq!(yard.pull().await.0, "done");
    assert!(Alerts::open(&mut conn).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_asked_by_four_at_once_and_no_more() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let mut places = Vec::new();
    for place in 0..4 {
        let name = format!("place {place} at 127.0.0.1:{}", yard.sshd.port);
        let hour = Duration::from_secs(3600);
        let taken = yard.test.app.locks.take(&name, "somebody", hour).await;
        places.extend(taken.unwrap());
    }
    let (word, why) = yard.pull().await;
    assert_eq!(word, "snooze", "{why}");
    assert!(why.contains("4 other jobs are at 127.0.0.1"), "{why}");
    yard.test.app.locks.release(&places[2]).await.unwrap();
    assert_eq!(yard.later().await, ["pull_source done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_of_ones_own_reads_packed_xml_and_its_version_is_kept_with_the_file() {
    let mut yard = yard(Settle::AtOnce, AfterLoad::Leave).await;
    let mut conn = yard.test.app.pool.acquire().await.unwrap();
    let yaml = "name: mine\nkind: equipment\nunit: machine\ncolumns:\n  - {to: stock_number, from: [ref], required: true}\n  - {to: make, from: [maker]}\n  - {to: image_urls, from: [\"photos.photo@url\"], separator: \"|\"}\n";
    for (text, version) in [
        (
            "name: mine\nkind: equipment\ncolumns: [{to: stock_number, from: [x]}]\n",
            1,
        ),
        (yaml, 2),
        (yaml, 2),
    ] {
        let put = OwnMappings::put(&mut conn, "mine", text, "jane").await;
        assert_eq!(put.unwrap(), version);
    }
    stores::execute_for_tests(
        &yard.test.app.pool,
        "UPDATE sources SET mapping = 'mine', pattern = '*.xml.gz'",
    )
    .await
    .unwrap();
    let xml = "<stock><machine><ref>M1</ref><maker>Bobcat &amp; Co</maker><photos><photo url=\"http://127.0.0.1:1/1.jpg\"/><photo url=\"http://127.0.0.1:1/2.jpg\"/></photos></machine></stock>";
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(xml.as_bytes()).unwrap();
    std::fs::write(yard.folder.join("stock.xml.gz"), packed.finish().unwrap()).unwrap();
    assert_eq!(yard.pull().await.0, "done");
    yard.test.stepper.hurry("load_file").await.unwrap();
    yard.test.run_all().await;
    let listing = Listings::list(&mut conn, &stores::ListingFilter::default(), 0, 10)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(listing.details.make.as_deref(), Some("Bobcat & Co"));
    assert_eq!(listing.details.image_urls.len(), 2);
    let files = Files::list(&mut conn, None, 10).await.unwrap();
    assert_eq!(files[0].mapping_version, Some(2));
    yard.test.forgive_left_behind();
}
