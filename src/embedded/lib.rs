//! The no-set-up default: a private PostgreSQL, an S3 server, an SFTP drop and a sandbox of partners, all on
//! this machine, all speaking the real protocols.
//!
//! For the demo, for development and for tests. Nothing here knows what Forecourt stores in
//! them; production replaces all three by naming real ones in the environment.

mod child;
mod drop;
mod files;
mod postgres;
mod redis;
mod s3;
mod sandbox;
mod sshd;
pub mod testing;

pub use drop::{DropSettings, SftpDrop};
pub use files::{free_port, private_dir, running_as_root, secret_file};
pub use postgres::{PostgresSettings, PrivatePostgres};
pub use redis::{PrivateRedis, RedisSettings};
pub use s3::{ObjectServer, ObjectServerSettings};
pub use sandbox::{Faults, PartnerFaults, Sandbox, Served, Wrong};
pub use sshd::{Asks, Sshd};

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no postgresql server binaries found: run `apt-get install postgresql`, or set FORECOURT_PG_BIN to the folder that has initdb"
    )]
    NoPostgres,
    #[error("no redis-server found: run `apt-get install redis-server`")]
    NoRedis,
    #[error("running as root, and there is neither a postgres nor a nobody user to drop to")]
    NoUser,
    #[error("{path} is in use by another forecourt")]
    InUse { path: PathBuf },
    #[error(
        "{path} cannot be reached by the postgres user; choose a data directory such as /var/lib/forecourt"
    )]
    Unreachable { path: PathBuf },
    #[error("{path} is too long for a unix socket (107 bytes)")]
    PathTooLong { path: PathBuf },
    #[error("the data directory was made by postgresql {have}, the binaries are {found}")]
    WrongVersion { have: String, found: String },
    #[error("{program} failed: {output}")]
    Program {
        program: &'static str,
        output: String,
    },
    #[error("postgresql was not ready after {seconds} s")]
    NotReady { seconds: u64 },
    #[error("old postgresql processes do not stop: {0}")]
    Leftovers(String),
    #[error("{operation}: {path}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Server(String),
}

pub(crate) fn io(
    operation: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> EmbeddedError {
    let path = path.into();
    move |source| EmbeddedError::Io {
        operation,
        path,
        source,
    }
}
