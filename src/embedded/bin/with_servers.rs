//! `with-servers COMMAND …`: starts a private PostgreSQL (no fsync, thrown away) and a private Redis
//! for tests, makes the migrated template database, runs the command with the addresses in its environment,
//! stops the servers and exits as the command did.
//!
//! The servers belong to this runner and never to a test process, which would take it along.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

use embedded::{
    EmbeddedError, PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings, testing,
};
use std::path::Path;
use std::process::{Command, ExitCode};

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
    let root = std::env::temp_dir().join(format!("fc-test-{}", std::process::id()));
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
    let status = Command::new(&program)
        .args(args)
        .env(testing::SOCKET, server.socket_dir())
        .env(testing::BINARIES, server.binaries())
        .env(testing::REDIS, redis.url())
        .status();
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
