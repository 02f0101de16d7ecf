//! All of Forecourt's SQL but the queue's, one store per table family. Nothing but SQL: the
//! caller owns the transaction, and no rule of the business is decided here.

mod alerts;
mod changes;
mod dealers;
mod error;
mod feeds;
mod files;
mod filter_sql;
mod keys;
mod listing_row;
mod listings;
mod schedules;
mod secrets;
mod sources;
mod vins;

pub use alerts::{Alert, Alerts};
pub use changes::{Change, Changes};
pub use dealers::Dealers;
pub use error::StoreError;
pub use feeds::{Exclusion, FeedRow, FeedRun, Feeds};
pub use files::{FileCounts, FileState, Files, NewFile, RejectRow, SourceFile};
pub use keys::{ApiKey, Keys, Scope};
pub use listings::{ListingFilter, Listings, UpsertCounts};
pub use schedules::{Schedule, Schedules, Tick};
pub use secrets::{Sealed, Sealer};
pub use sources::{NewSource, SourceRow, Sources};
pub use vins::{ContradictionRow, Vins};

pub use sqlx::{Error as SqlError, PgConnection, PgPool, Postgres, Transaction};

use sqlx::migrate::Migrator;

/// Every migration, in the binary.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

pub(crate) fn stamp(at: time::OffsetDateTime) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(at.unix_timestamp_nanos())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

pub(crate) fn unstamp(at: jiff::Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp_nanos(at.as_nanosecond())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
