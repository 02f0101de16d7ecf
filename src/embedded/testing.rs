//! What tests need of the servers that `with-servers` started: a database of their own.

use crate::{EmbeddedError, io};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Set by `with-servers`: the socket directory of the test server and its binaries.
pub const SOCKET: &str = "FORECOURT_TEST_PG_SOCKET";
pub const BINARIES: &str = "FORECOURT_TEST_PG_BIN";
pub const REDIS: &str = "FORECOURT_TEST_REDIS";
/// Every migration applied, nothing in it.
pub const TEMPLATE: &str = "forecourt_template";

/// A fresh database with every migration applied; its URL.
///
/// Panics, saying what to run, when the test servers are not there.
pub fn database() -> String {
    match try_database(TEMPLATE) {
        Ok(url) => url,
        Err(error) => panic!("{error}; tests need their servers: run `make test`"),
    }
}

/// A fresh database with nothing in it; its URL.
pub fn empty_database() -> String {
    match try_database("template1") {
        Ok(url) => url,
        Err(error) => panic!("{error}; tests need their servers: run `make test`"),
    }
}

/// The test Redis, and a prefix of the caller's own on it.
///
/// Panics, saying what to run, when the test servers are not there.
pub fn redis() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match variable(REDIS) {
        Ok(url) => (url, format!("test_{}_{number}", std::process::id())),
        Err(error) => panic!("{error}; tests need their servers: run `make test`"),
    }
}

fn try_database(template: &str) -> Result<String, EmbeddedError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let socket = PathBuf::from(variable(SOCKET)?);
    let binaries = PathBuf::from(variable(BINARIES)?);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    psql(
        &binaries,
        &socket,
        "postgres",
        &["-c", &format!("CREATE DATABASE {name} TEMPLATE {template}")],
    )?;
    Ok(format!(
        "postgres:///{name}?host={}&user=postgres",
        socket.display()
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "set by the test runner, no part of the configuration"
)]
fn variable(name: &'static str) -> Result<String, EmbeddedError> {
    std::env::var(name).map_err(|_| EmbeddedError::Server(format!("{name} is not set")))
}

/// Runs the server's own client; what it prints, unaligned and without headers.
pub(crate) fn psql(
    binaries: &Path,
    socket: &Path,
    database: &str,
    args: &[&str],
) -> Result<String, EmbeddedError> {
    let output = Command::new(binaries.join("psql"))
        .env_clear()
        .args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
        ])
        .arg("-h")
        .arg(socket)
        .args(args)
        .output()
        .map_err(io("run psql", binaries))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(EmbeddedError::Program {
            program: "psql",
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// The folder of one run, below the system's folder for temporary files.
pub fn run_folder(process: u32) -> String {
    format!("{RUN}{process}")
}

const RUN: &str = "fc-test-";

/// Where a run's tests put their files: open to the user that a private server runs as.
pub fn make_files_folder(root: &Path) -> Result<PathBuf, EmbeddedError> {
    use std::os::unix::fs::PermissionsExt;
    let files = root.join("tmp");
    std::fs::create_dir_all(&files)
        .and_then(|()| std::fs::set_permissions(&files, PermissionsExt::from_mode(0o1777)))
        .map_err(io("make the folder", &files))?;
    Ok(files)
}

/// Removes what runs that were killed left behind: their process is gone, so its servers are, too.
pub fn sweep_runs(temporary: &Path) {
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(RUN));
        if process.is_some_and(is_gone) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Drops the databases of tests whose process has ended.
pub fn sweep_databases(socket: &Path, binaries: &Path) -> Result<(), EmbeddedError> {
    let names = psql(
        binaries,
        socket,
        "postgres",
        &[
            "-c",
            "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'",
        ],
    )?;
    for name in names.lines() {
        let process = name.split('_').nth(1).unwrap_or_default();
        if is_gone(process) {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            psql(binaries, socket, "postgres", &["-c", &drop])?;
        }
    }
    Ok(())
}

/// Whether this is the number of a process, and it has ended.
fn is_gone(process: &str) -> bool {
    process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()
}

/// Applies every `*.up.sql` in a folder, in order, to a new database.
pub fn make_template(
    socket: &Path,
    binaries: &Path,
    migrations: &Path,
) -> Result<(), EmbeddedError> {
    psql(
        binaries,
        socket,
        "postgres",
        &["-c", &format!("CREATE DATABASE {TEMPLATE}")],
    )?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(migrations)
        .map_err(io("read migrations", migrations))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".up.sql"))
        .collect();
    files.sort();
    for file in files {
        psql(
            binaries,
            socket,
            TEMPLATE,
            &["-1", "-f", &file.to_string_lossy()],
        )?;
    }
    Ok(())
}
