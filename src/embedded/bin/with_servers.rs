//! `with-servers COMMAND …`: starts a private PostgreSQL (no fsync, thrown away) and a private Redis
//! for tests, makes the migrated template database, runs the command with the addresses in its environment,
//! stops the servers and exits as the command did.
//!
//! The disk a run takes is what its tests take at one time: a database is dropped when its test has ended, temporary
//! files are below the run's folder, and what a killed run left behind goes before the next one starts.
//!
//! The servers belong to this runner and never to a test process, which would take it along.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

use embedded::{
    EmbeddedError, PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings, testing,
};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::Duration;

/// How often the databases of tests that have ended are dropped.
const SWEEP: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            println!("with-servers: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8, EmbeddedError> {
    let mut args = std::env::args_os().skip(1);
    let Some(program) = args.next() else {
        return Err(EmbeddedError::Server(
            "usage: with-servers COMMAND [ARG …]".to_owned(),
        ));
    };
    // Under /tmp and short: a socket path has 107 bytes, and root's postgres must reach it.
    let temporary = std::env::temp_dir();
    testing::sweep_runs(&temporary);
    let root = temporary.join(testing::run_folder(std::process::id()));
    let server = PrivatePostgres::start(&PostgresSettings {
        root: root.clone(),
        binaries: None,
        durable: false,
        max_connections: 400,
    })?;
    testing::make_template(
        server.socket_dir(),
        server.binaries(),
        Path::new("migrations"),
    )?;
    let redis = PrivateRedis::start(&RedisSettings {
        root: root.join("redis"),
        port: None,
        append_only: false,
    })?;
    let files = testing::make_files_folder(&root)?;
    let (ended, until_ended) = mpsc::channel::<()>();
    let status = std::thread::scope(|threads| {
        let (server, binaries) = (server.socket_dir(), server.binaries());
        threads.spawn(move || {
            while until_ended.recv_timeout(SWEEP) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Err(error) = testing::sweep_databases(server, binaries) {
                    println!("with-servers: databases of ended tests stay: {error}");
                }
            }
        });
        let status = Command::new(&program)
            .args(args)
            .env(testing::SOCKET, server)
            .env(testing::BINARIES, binaries)
            .env(testing::REDIS, redis.url())
            .env("TMPDIR", &files)
            .status();
        drop(ended);
        status
    });
    drop(redis);
    drop(server);
    let _ = std::fs::remove_dir_all(&root);
    let status = status.map_err(|source| EmbeddedError::Io {
        operation: "run",
        path: program.into(),
        source,
    })?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}
