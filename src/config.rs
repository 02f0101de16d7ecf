//! Configuration: the only place that reads the environment. Every problem is reported at once,
//! and no secret is ever printed.

use crate::tuning::Tuning;
use anyhow::bail;
use partners::ObjectSettings;
use secrecy::SecretString;
use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Name, default, meaning: the README's table is generated from this and compared by a test.
pub(crate) const VARIABLES: &[(&str, &str, &str)] = &[
    (
        "DATABASE_URL",
        "the running demo",
        "PostgreSQL 15 or newer, as a URL",
    ),
    (
        "FORECOURT_MASTER_KEY",
        "required",
        "64 hex digits; seals third-party credentials",
    ),
    ("FORECOURT_S3_ENDPOINT", "AWS", "URL of another S3 server"),
    ("FORECOURT_S3_REGION", "us-east-1", "region of the bucket"),
    (
        "FORECOURT_S3_BUCKET",
        "required",
        "bucket for raw files and feeds",
    ),
    ("FORECOURT_S3_ACCESS_KEY", "required", "access key"),
    ("FORECOURT_S3_SECRET_KEY", "required", "secret key"),
    (
        "FORECOURT_QUEUE",
        "postgres",
        "the queue's engine: `postgres` or `redis`",
    ),
    (
        "REDIS_URL",
        "none",
        "Redis 6.2 or newer with its append-only file, for `redis`",
    ),
    (
        "FORECOURT_REDIS_PREFIX",
        "forecourt",
        "keeps installations on one Redis apart",
    ),
    (
        "FORECOURT_QUEUES",
        "all",
        "queues this process works, as `photos,feeds`",
    ),
    (
        "FORECOURT_CONCURRENCY",
        "ingest=2,sftp=4,lookups=4,photos=4,feeds=2,index=2,upkeep=2",
        "jobs at once in this process, by queue",
    ),
    (
        "FORECOURT_GRACE_SECONDS",
        "20",
        "how long running jobs may finish after SIGTERM",
    ),
    (
        "FORECOURT_POOLS",
        "api=8,work=24,engine=10",
        "database connections by role",
    ),
    (
        "FORECOURT_STATEMENT_SECONDS",
        "api=15,work=600,engine=30",
        "no statement of a role runs longer",
    ),
    (
        "FORECOURT_LOCK_SECONDS",
        "api=5,work=10,engine=10",
        "no statement of a role waits longer for a lock",
    ),
    (
        "FORECOURT_ALERT_WEBHOOK",
        "none",
        "URL that alerts are posted to as JSON",
    ),
    (
        "FORECOURT_LISTEN",
        "127.0.0.1:8080",
        "address the API listens on",
    ),
    (
        "FORECOURT_WATCH_LISTEN",
        "none",
        "address of health and metrics alone, for any role; asks for no key",
    ),
    (
        "FORECOURT_FETCH_ALLOW",
        "all",
        "hosts that may be asked for photos, files and by providers, as `photos.example.com,.dealer.com`",
    ),
    (
        "FORECOURT_FETCH_DENY",
        "none",
        "hosts that are never asked, whatever is allowed",
    ),
    (
        "FORECOURT_SANDBOX",
        "none",
        "address of a `forecourt sandbox`: partners to try things on, whose hosts end in `.test`",
    ),
    (
        "FORECOURT_SITE",
        "https://stock.example.com",
        "where listings without a link are shown",
    ),
    (
        "FORECOURT_DATA_DIR",
        "see below",
        "data directory of the embedded default; also the VIN cache and files half fetched",
    ),
    (
        "FORECOURT_PG_BIN",
        "found",
        "folder of PostgreSQL's binaries, for the embedded default",
    ),
    (
        "FORECOURT_LOG",
        "warn",
        "log filter, as `info` or `queue=debug,warn`",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "none",
        "URL of a collector that traces are sent to (OTLP over HTTP)",
    ),
    (
        "OTEL_SERVICE_NAME",
        "forecourt",
        "what traces call this process",
    ),
];

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) database_url: SecretString,
    pub(crate) objects: ObjectSettings,
    pub(crate) master_key: MasterKey,
    pub(crate) listen: SocketAddr,
    pub(crate) site: String,
    /// Photo hosts on addresses of ours: the sandbox's, and nobody else's.
    pub(crate) ours: HashMap<String, SocketAddr>,
    pub(crate) data_dir: PathBuf,
    pub(crate) tuning: Tuning,
}

#[derive(Clone)]
pub(crate) struct MasterKey(pub(crate) [u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl Config {
    /// From the environment; `None` when `DATABASE_URL` is not set, so that a running instance or
    /// the embedded default may serve.
    pub(crate) fn from_env() -> anyhow::Result<Option<Self>> {
        if value("DATABASE_URL").is_none() {
            return Ok(None);
        }
        let mut problems = Vec::new();
        let config = Self::read(&mut problems);
        match config {
            Some(config) if problems.is_empty() => Ok(Some(config)),
            _ => {
                let mut text = format!("{} problems with the configuration:", problems.len());
                for problem in problems {
                    let _ = write!(text, "\n  - {problem}");
                }
                bail!(text)
            }
        }
    }

    fn read(problems: &mut Vec<String>) -> Option<Self> {
        let mut required = |name: &str| {
            let found = value(name);
            if found.is_none() {
                problems.push(format!("{name} is not set"));
            }
            found
        };
        let database_url = required("DATABASE_URL");
        let bucket = required("FORECOURT_S3_BUCKET");
        let access_key = required("FORECOURT_S3_ACCESS_KEY");
        let secret_key = required("FORECOURT_S3_SECRET_KEY");
        let master_key = required("FORECOURT_MASTER_KEY");
        if let Some(url) = &database_url
            && !(url.starts_with("postgres://") || url.starts_with("postgresql://"))
        {
            problems.push("DATABASE_URL does not start with postgres://".to_owned());
        }
        let master_key = master_key.and_then(|text| {
            let key = key_of(&text);
            if key.is_none() {
                problems.push("FORECOURT_MASTER_KEY is not 64 hex digits".to_owned());
            }
            key
        });
        let listen = value("FORECOURT_LISTEN").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let listen = listen.parse();
        if listen.is_err() {
            problems.push("FORECOURT_LISTEN is not an address like 127.0.0.1:8080".to_owned());
        }
        let tuning = Tuning::read(&value, problems);
        let endpoint = value("FORECOURT_S3_ENDPOINT");
        if let Some(endpoint) = &endpoint
            && !(endpoint.starts_with("http://") || endpoint.starts_with("https://"))
        {
            problems.push("FORECOURT_S3_ENDPOINT is not a URL".to_owned());
        }
        Some(Self {
            database_url: database_url?.into(),
            objects: ObjectSettings {
                endpoint,
                region: value("FORECOURT_S3_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
                bucket: bucket?,
                access_key: access_key?,
                secret_key: secret_key?.into(),
            },
            master_key: MasterKey(master_key?),
            listen: listen.ok()?,
            site: value("FORECOURT_SITE").unwrap_or_else(|| "https://stock.example.com".to_owned()),
            ours: HashMap::new(),
            data_dir: data_dir(),
            tuning,
        })
    }
}

/// `/var/lib/forecourt` as root, else the user's data folder.
pub(crate) fn data_dir() -> PathBuf {
    if let Some(path) = value("FORECOURT_DATA_DIR") {
        return path.into();
    }
    if nix_is_root() {
        return "/var/lib/forecourt".into();
    }
    let home =
        || PathBuf::from(value("HOME").unwrap_or_else(|| ".".to_owned())).join(".local/share");
    value("XDG_DATA_HOME")
        .map_or_else(home, PathBuf::from)
        .join("forecourt")
}

pub(crate) fn postgres_binaries() -> Option<PathBuf> {
    value("FORECOURT_PG_BIN").map(PathBuf::from)
}

pub(crate) fn log_filter() -> String {
    value("FORECOURT_LOG").unwrap_or_else(|| "warn".to_owned())
}

fn nix_is_root() -> bool {
    embedded::running_as_root()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// 64 hex digits to 32 bytes.
pub(crate) fn key_of(hex: &str) -> Option<[u8; 32]> {
    let hex = hex.trim();
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut key = [0u8; 32];
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readmes_table_is_this_files() {
        let readme = include_str!("../README.md");
        for (name, default, meaning) in VARIABLES {
            let row = format!("| `{name}` | {default} | {meaning} |");
            assert!(readme.contains(&row), "README.md lacks the row\n{row}");
        }
    }

    #[test]
    fn a_master_key_is_64_hex_digits() {
        assert_eq!(key_of(&"0f".repeat(32)), Some([15; 32]));
        for wrong in ["", "0f", &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(key_of(wrong), None);
        }
    }
}
