//! The program as people run it: whole nights, and nights that are killed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FORECOURT: &str = env!("CARGO_BIN_EXE_forecourt");

/// Short, because a socket path has 107 bytes; gone with the test.
struct DataDir(PathBuf);

impl DataDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fc-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn forecourt(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(FORECOURT);
    command
        .args(args)
        .arg("--data-dir")
        .arg(data_dir)
        .env_remove("DATABASE_URL");
    command
}

fn night(data_dir: &Path, seed: u64, listings: usize) -> Value {
    let (seed, listings) = (seed.to_string(), listings.to_string());
    let args = [
        "demo",
        "--once",
        "--summary",
        "json",
        "--seed",
        &seed,
        "--listings",
        &listings,
    ];
    let output = forecourt(data_dir, &args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_night_runs_to_the_end_and_a_second_changes_nothing() {
    let dir = DataDir::new("night");
    let first = night(&dir.0, 1, 240);
    assert_eq!(first["night"]["files"], 4);
    assert_eq!(first["night"]["held"], 0);
    assert_eq!(first["jobs"]["dead"], 0);
    let number = |value: &Value| value.as_i64().unwrap();
    assert!(
        number(&first["night"]["rejects"]) > 0,
        "the sample has dirty rows"
    );
    let stock = number(&first["listings"]["vehicles"]) + number(&first["listings"]["equipment"]);
    // The third dealer sends 24 units, then 22 of them again: two are sold and archived.
    assert_eq!(first["listings"]["archived"], 2);
    assert_eq!(
        stock + 2 + 22 + number(&first["night"]["rejects"]),
        number(&first["night"]["rows"])
    );
    let parents = number(&first["listings"]["parents"]);
    assert!(parents > 0);
    assert_eq!(number(&first["search"]["total"]), stock + parents);
    assert!(number(&first["vins"]["decoded"]) > 100);
    assert!(number(&first["vins"]["contradictions"]) > 0);
    for counted in ["hashed", "duplicates", "placeholders", "problems"] {
        assert!(number(&first["photos"][counted]) > 0, "{counted}");
    }
    let considered = [stock + parents, number(&first["listings"]["vehicles"])];
    for (feed, considered) in [(0, considered[0]), (1, considered[1]), (2, considered[1])] {
        let feed = &first["feeds"][feed];
        assert!(
            number(&feed["rows"]) > 0 && number(&feed["bytes"]) > 0,
            "{feed}"
        );
        assert_eq!(
            number(&feed["rows"]) + number(&feed["excluded"]),
            considered,
            "{feed}"
        );
    }

    let second = night(&dir.0, 1, 240);
    assert_eq!(second["feeds"], first["feeds"], "the same digests");
    assert_eq!(second["listings"], first["listings"]);
    assert_eq!(second["photos"], first["photos"]);
    assert_eq!(second["night"]["files"], 0);
    assert_eq!(second["jobs"]["dead"], 0);
}

/// Runs the server's own client on a private server's database.
struct Served {
    child: Child,
    dir: DataDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fifth of all calls fail and one partner is down; when they recover nothing is owed any more.
#[test]
fn a_night_with_failing_partners_owes_nothing_once_they_recover() {
    let dir = DataDir::new("faults");
    let args = ["demo", "--once", "--faults", "--listings", "60"];
    let output = forecourt(&dir.0, &args).output().unwrap();
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{summary}\n{text}");
    let (during, after) = text.split_once("they fail no more").unwrap();
    // Of each provider: due, failing, answers.
    let told = |text: &str, provider: &str| {
        let line = text
            .lines()
            .rfind(|line| line.trim().starts_with(provider))
            .unwrap_or_else(|| panic!("no {provider} in {text}"));
        let numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        numbers.take(3).collect::<Vec<u64>>()
    };
    // The valuations were down the whole night.
    let worth = told(during, "worth");
    assert!(worth[0] + worth[1] > 0 && worth[2] == 0, "{text}");
    assert!(summary.contains(" 0 dead"), "{summary}");
    for provider in ["past", "shop", "worth"] {
        let told = told(after, provider);
        assert_eq!(told[..2], [0, 0], "{provider}: {text}");
        assert!(told[2] > 0, "{provider}: {text}");
    }
}

#[test]
fn other_commands_join_the_demo_while_it_serves() {
    let dir = DataDir::new("join");
    let mut child = forecourt(&dir.0, &["demo", "--summary", "json", "--listings", "40"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let served = Served { child, dir };
    let summary: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(summary["jobs"]["dead"], 0);
    let say = |args: &[&str]| {
        let output = forecourt(&served.dir.0, args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{args:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    assert!(say(&["sources", "list"]).contains("bayview-motors"));
    assert!(say(&["sources", "files", "ironridge"]).contains("loaded"));
    assert!(say(&["feeds", "runs", "google-vehicle-ads"]).contains("published"));
    assert!(say(&["jobs", "list", "--state", "done"]).contains("load_file"));
    assert!(say(&["check"]).contains("0 problems"));
    assert!(say(&["keys", "create", "ops", "--scope", "operate"]).starts_with("fc_"));
    let twice = forecourt(&served.dir.0, &["demo"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&twice.stderr).contains("already serves"),
        "{twice:?}"
    );
}

/// A process that is killed and waited for, whatever becomes of the test.
struct Process(Child);

impl Process {
    /// Once it has said this.
    fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let process = Self(child);
        assert!(
            lines.any(|line| line.unwrap().starts_with(ready)),
            "it ended before {ready:?}"
        );
        // Whatever it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_sandbox_by_itself_is_asked_by_an_instance_and_fails_as_its_file_says() {
    let (dir, partners) = (DataDir::new("up"), DataDir::new("sandbox"));
    std::fs::create_dir_all(&partners.0).unwrap();
    let faults = partners.0.join("faults.yaml");
    std::fs::write(&faults, "history: {down: true}\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (number, faults_path) = (port.port().to_string(), faults.display().to_string());
    let args = [
        "sandbox",
        "--port",
        &number,
        "--sftp-port",
        "0",
        "--faults",
        &faults_path,
    ];
    let _sandbox = Process::start(&mut forecourt(&partners.0, &args), "serving");
    let address = port.to_string();
    let mut up = forecourt(&dir.0, &["up"]);
    let _up = Process::start(up.env("FORECOURT_SANDBOX", &address), "ready");
    let say = |args: &[&str]| {
        let mut command = forecourt(&dir.0, args);
        let output = command.env("FORECOURT_SANDBOX", &address).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(problem)
        }
    };
    let order = partners.0.join("sandbox/providers/past.yaml");
    say(&["providers", "put", "past", order.to_str().unwrap()]).unwrap();
    let failed = say(&["providers", "test", "past"]).unwrap_err();
    assert!(failed.contains("503"), "{failed}");
    std::fs::write(&faults, "{}\n").unwrap();
    let begun = Instant::now();
    let answer = loop {
        match say(&["providers", "test", "past"]) {
            Ok(answer) => break answer,
            Err(failed) => assert!(begun.elapsed() < Duration::from_secs(60), "{failed}"),
        }
    };
    assert!(answer.contains("owners"), "{answer}");
}

#[test]
fn a_wrong_environment_is_told_all_at_once() {
    let dir = DataDir::new("env");
    let output = Command::new(FORECOURT)
        .args(["check", "--data-dir"])
        .arg(&dir.0)
        .env("DATABASE_URL", "mysql://nope")
        .env("FORECOURT_MASTER_KEY", "short")
        .env("FORECOURT_LISTEN", "everywhere")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for name in [
        "DATABASE_URL",
        "FORECOURT_MASTER_KEY",
        "FORECOURT_LISTEN",
        "FORECOURT_S3_BUCKET",
    ] {
        assert!(text.contains(name), "{name} is not in:\n{text}");
    }
    assert!(!text.contains("short"), "a secret is printed");
}

/// `kill -9` at ten seeded moments of ten nights, each then started again: the ledger balances.
#[test]
fn a_night_killed_at_any_moment_ends_the_same_when_started_again() {
    let dir = DataDir::new("kill");
    night(&dir.0, 100, 400);
    // The part of a night that a kill may hit, from start to end.
    let begun = Instant::now();
    night(&dir.0, 101, 400);
    let span = begun.elapsed();
    let mut dice: u64 = 0x00c0_ffee;
    for round in 0..10u64 {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = f64::from(u32::try_from(dice >> 33).unwrap()) / f64::from(u32::MAX >> 1);
        let seed = (200 + round).to_string();
        let args = [
            "demo",
            "--once",
            "--summary",
            "json",
            "--seed",
            &seed,
            "--listings",
            "400",
        ];
        let mut child = forecourt(&dir.0, &args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait(&mut child, span.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = night(&dir.0, 200 + round, 400);
        assert_eq!(after["jobs"]["dead"], 0, "round {round}: {after}");
        let ledger = ledger(&dir.0);
        assert_eq!(
            ledger,
            "",
            "round {round}, killed after {:.0} % of the night",
            share * 100.0
        );
    }
}

/// Until the moment has come or the night was faster.
fn wait(child: &mut Child, moment: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < moment && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// What does not balance, in words; read by a server of the test's own over the stopped data.
fn ledger(data_dir: &Path) -> String {
    let server = embedded::PrivatePostgres::start(&embedded::PostgresSettings {
        root: data_dir.join("postgres"),
        binaries: None,
        durable: true,
        max_connections: 10,
    })
    .unwrap();
    let sql = "
        SELECT 'rows of file ' || id FROM source_files
            WHERE state = 'loaded' AND rows <> created + updated + unchanged + rejected + duplicates
        UNION ALL SELECT 'file not loaded: ' || id FROM source_files WHERE state <> 'loaded'
        -- Jobs of no run that wait for their time are photos that were gone: looked for again, later.
        UNION ALL SELECT 'unfinished job ' || id || ' ' || kind FROM jobs_hot
            WHERE run_id IS NOT NULL OR token IS NOT NULL OR run_at <= now() OR kind <> 'hash_photos'
        UNION ALL SELECT 'open claim' FROM jobs_claims WHERE open > 0
        UNION ALL SELECT 'job twice ' || id FROM jobs_history GROUP BY id HAVING count(*) > 1
        UNION ALL SELECT 'job not done ' || id FROM jobs_history WHERE state <> 'done'
        UNION ALL SELECT 'listing without change ' || id FROM listings l
            WHERE NOT EXISTS (SELECT 1 FROM changes c WHERE c.listing_id = l.id AND c.version = l.version)
        UNION ALL SELECT 'change without position ' || seq FROM changes WHERE position IS NULL
        UNION ALL SELECT 'price without history ' || id FROM listings l WHERE price_cents IS DISTINCT FROM
            (SELECT p.price_cents FROM price_history p WHERE p.listing_id = l.id ORDER BY at DESC LIMIT 1)
        UNION ALL SELECT 'feed without its object ' || id FROM feed_runs WHERE state = 'published' AND object_key IS NULL
        UNION ALL SELECT 'still to be asked by ' || provider || ': ' || subject FROM enrichment_due
        UNION ALL SELECT 'vehicle without a history ' || l.vin FROM listings l JOIN vin_decodes d ON d.vin = l.vin
            WHERE l.status = 'available' AND d.errors = '0'
                AND NOT EXISTS (SELECT 1 FROM history_reports h WHERE h.vin = l.vin)
        UNION ALL SELECT 'tick without job ' || tick_at FROM schedule_ticks WHERE job_id IS NULL";
    server.psql("forecourt", sql).unwrap().trim().to_owned()
}
