//! Commands that need no installation, as people run them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn forecourt(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forecourt"));
    command
        .args(args)
        .arg("--data-dir")
        .arg(data_dir)
        .env_remove("DATABASE_URL");
    command
}

fn run(data_dir: &Path, args: &[&str]) -> Output {
    forecourt(data_dir, args).output().unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_vin_has_a_card_and_a_mistyped_one_a_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(
        dir.path(),
        &["vin", "1HGCM82633A004352", "IHGCM82633A004352"],
    );
    let text = words(&ran.stdout);
    for said in [
        "Accord",
        "check digit      ok",
        "'I' at position 1",
        "perhaps          1HGCM82633A004352",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    let ran = run(dir.path(), &["vin", "--json", "1HGCM82633A004352"]);
    let card: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (&card["facts"]["year"], &card["check_digit_ok"]),
        (&2003.into(), &true.into())
    );
}

#[test]
fn a_photo_has_a_fingerprint_and_what_is_none_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let photo = "src/photos/tests/made/base.jpg";
    let known = std::fs::read_to_string("src/photos/tests/made.tsv").unwrap();
    let line = known.lines().find(|line| line.starts_with("base.jpg\t"));
    let phash = line.unwrap().split('\t').nth(1).unwrap();
    let ran = run(dir.path(), &["photo", "hash", photo, "Cargo.toml"]);
    let text = words(&ran.stdout) + &words(&ran.stderr);
    assert!(text.contains(phash), "no {phash} in {text}");
    assert!(
        text.contains("Cargo.toml") && text.contains("not a JPEG"),
        "{text}"
    );
    assert!(!ran.status.success());
}

#[test]
fn a_file_nobody_has_mapped_is_mapped_and_tried() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (stock, mapping) = (place("stock.csv"), place("mine.yaml"));
    let file = "Lot,Stock #,VIN,Make,Selling Price,Foo\nMP1,7,1HGCM82633A004352,Honda,\"$9,500\",x\nMP2,8,,Ford,call,y\n";
    std::fs::write(&stock, file).unwrap();
    let suggested = run(dir.path(), &["mappings", "suggest", &stock]);
    std::fs::write(&mapping, &suggested.stdout).unwrap();
    let tried = run(dir.path(), &["mappings", "test", &mapping, &stock]);
    let text = words(&tried.stdout);
    for said in [
        "2 rows: 2 good",
        "2 rooftops",
        "\"950000\"",
        "nothing is read from\nFoo",
        "not_priced",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    let unknown = run(dir.path(), &["mappings", "test", "nobody", &stock]);
    assert!(!unknown.status.success());
    assert!(words(&unknown.stderr).contains("\"nobody\""));
}

#[test]
fn who_reads_no_more_is_told_no_story() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = forecourt(dir.path(), &["mappings", "show", "homenet"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = words(&ran.stderr);
    assert!(ran.status.success() && said.is_empty(), "{said}");
}
