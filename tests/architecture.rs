//! The rules of the house that Cargo cannot hold.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file of ours with its text; tests and benches left out.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for root in ["src", "jobs"] {
        collect(Path::new(root), &mut found);
    }
    assert!(found.len() > 80, "only {} files found", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            found.push((
                path.to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

/// Code lines that hold one of the words, outside the places where it is allowed.
fn found_outside(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if allowed.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        // Unit tests stand last in a file and may do as tests do.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()) {
            let line = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| line.contains(word)) {
                broken.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    broken
}

fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn sql_stands_only_in_stores_and_queue() {
    let broken = found_outside(
        &["sqlx::query", "sqlx::raw_sql", "QueryBuilder"],
        &["src/stores", "src/queue"],
    );
    assert_none("SQL outside stores and queue", &broken);
}

#[test]
fn outbound_connections_are_opened_only_in_partners() {
    let words = ["TcpStream::connect", "reqwest::", "ssh2::", "aws_sdk_s3::"];
    assert_none(
        "a connection outside partners",
        // Servers of our own: is it up, how fast does it answer.
        &found_outside(
            &words,
            &[
                "src/partners",
                "src/embedded/redis.rs",
                "src/embedded/sshd.rs",
                "src/commands/bench/console.rs",
            ],
        ),
    );
}

#[test]
fn poem_is_named_only_in_api() {
    assert_none(
        "poem outside api",
        &found_outside(&["poem::", "poem_openapi"], &["src/api"]),
    );
}

#[test]
fn apalis_is_named_only_in_queue() {
    assert_none(
        "apalis outside queue",
        &found_outside(&["apalis"], &["src/queue"]),
    );
}

#[test]
fn only_config_reads_the_environment() {
    // The test servers' runner and kit, and authors' tools, are no part of the product.
    let allowed = [
        "src/config.rs",
        "src/api/examples",
        "src/embedded/testing.rs",
        "src/embedded/bin",
    ];
    assert_none(
        "the environment read elsewhere",
        &found_outside(&["env::var", "env::args"], &allowed),
    );
}

#[test]
fn the_wall_clock_comes_from_the_job_context_or_the_database() {
    let allowed = [];
    let words = [
        "Timestamp::now",
        "Zoned::now",
        "SystemTime::now",
        "OffsetDateTime::now",
    ];
    assert_none("a wall clock", &found_outside(&words, &allowed));
}

#[test]
fn jobs_enqueue_jobs_and_never_call_them() {
    let names = [
        "pull_source",
        "load_file",
        "decode_vins",
        "hash_photos",
        "rebuild_parents",
        "archive_listings",
        "restore_listings",
        "build_feed",
        "prune_history",
    ];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let Some(this) = path
            .strip_prefix("jobs/")
            .and_then(|path| path.strip_suffix(".rs"))
        else {
            continue;
        };
        for other in names.iter().filter(|name| **name != this) {
            if text.contains(&format!("{other}::")) && this != "lib" {
                broken.push(format!("{path} calls into {other}"));
            }
        }
    }
    assert_none("a job that calls a job", &broken);
}

#[test]
fn every_job_file_is_in_the_catalogue_with_header_and_tests() {
    let lib = fs::read_to_string("jobs/lib.rs").unwrap();
    let tests: String = [
        "one_night",
        "real_files",
        "photos",
        "parents",
        "archive",
        "alerts",
        "probes",
        "turns",
        "twice",
        "ways",
        "enrichment",
    ]
    .map(|name| fs::read_to_string(format!("jobs/tests/{name}.rs")).unwrap())
    .concat();
    let support = [
        "lib",
        "app",
        "dealers",
        "drop",
        "forget",
        "gates",
        "guard",
        "mappings",
        "raw",
        "retire",
        "shelf",
        "slices",
        "survey",
        "spelling",
        "sources",
        "source_order",
        "upkeep",
        "testing",
        "turns",
        "enrichment",
        "batch",
        "reported",
        "badges",
        "by_hand",
        "columns_gone",
        "columns_unread",
        "fates",
        "provider_order",
        "unknown_words",
        "providers",
    ];
    let mut jobs = 0;
    for entry in fs::read_dir("jobs").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|e| e != "rs") || support.contains(&name.as_str()) {
            continue;
        }
        jobs += 1;
        let text = fs::read_to_string(&path).unwrap();
        let kind: String = name
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        assert!(
            lib.contains(&format!(".with::<{kind}>()")),
            "{name} is not in the catalogue"
        );
        assert!(tests.contains(&kind), "{name} has no tests");
        for part in ["//! Starts:", "Writes:", "//! Twice:"] {
            assert!(text.contains(part), "{name} lacks {part:?} in its header");
        }
        assert!(
            text.contains(&format!("NAME: &'static str = \"{name}\"")),
            "{name} has another wire name"
        );
    }
    assert_eq!(jobs, 19);
}

#[test]
fn no_file_tells_more_than_one_story() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| {
            (
                path,
                text.split("#[cfg(test)]")
                    .next()
                    .unwrap_or_default()
                    .lines()
                    .count(),
            )
        })
        .filter(|(path, lines)| *lines > 500 && !path.ends_with("conformance.rs"))
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none("a file over 500 lines", &long);
}

#[test]
fn every_migration_can_be_undone_and_says_why_it_is() {
    for entry in fs::read_dir("migrations").unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".up.sql") {
            assert!(
                Path::new(&format!("{stem}.down.sql")).exists(),
                "{name} has no way back"
            );
            assert!(
                fs::read_to_string(&path).unwrap().starts_with("--"),
                "{name} has no header"
            );
        }
    }
}

#[test]
fn the_readme_is_short_enough_to_read() {
    let lines = fs::read_to_string("README.md").unwrap().lines().count();
    assert!((40..=150).contains(&lines), "README.md has {lines} lines");
}
