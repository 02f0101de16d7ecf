//! All of Forecourt's SQL but the queue's, one store per table family. Nothing but SQL: the
//! caller owns the transaction, and no rule of the business is decided here.

mod alerts;
mod archives;
mod audit;
mod changes;
mod copy;
mod dealers;
mod due;
mod error;
mod feeds;
mod files;
mod filter_sql;
mod forgotten;
mod going_on;
mod histories;
mod keys;
mod listing_row;
mod listings;
mod mappings;
pub mod measure;
mod on_the_lot;
mod overrides;
mod parents;
mod photos;
mod providers;
mod refused;
mod reports;
mod schedules;
mod secrets;
mod shown_photos;
mod sightings;
mod sources;
mod values;
mod vins;

pub use alerts::{Alert, Alerts};
pub use archives::{Archivable, ArchiveRow, ArchivedListing, Archives};
pub use audit::{Audit, AuditEntry};
pub use changes::{Change, Changes};
pub use dealers::Dealers;
pub use due::{Due, WantedVehicle};
pub use error::StoreError;
pub use feeds::{Exclusion, FeedRow, FeedRun, Feeds, LeftOut};
pub use files::{FileCounts, FileOrder, FileState, Files, NewFile, SourceFile};
pub use forgotten::Forgotten;
pub use histories::{
    Histories, HistoryReport, KnownReport, KnownValuation, ReportState, Valuation, Valuations,
};
pub use keys::{ApiKey, Keys, Scope};
pub use listings::{Bringing, ListingFilter, Listings, Price, UpsertCounts, said_by};
pub use mappings::{OwnMapping, OwnMappings};
pub use overrides::{Contradiction, Overrides};
pub use parents::Parents;
pub use photos::{NewPhoto, PhotoHashes, PhotoPair, PhotoTold, PhotoUpload, Photos, UrlOutcome};
pub use providers::{Provider, ProviderKind, ProviderView, Providers};
pub use refused::{Refused, RejectRow};
pub use reports::{Aging, Double, Move, PriceDrop, Reports, Stay};
pub use schedules::{Overlap, Schedule, Schedules, Taken, Tick};
pub use secrets::{Sealed, Sealer};
pub use shown_photos::{
    ListingPhoto, LostPhoto, PhotoCounts, ShownAt, SimilarPhoto, Size, UnfitPhoto,
};
pub use sightings::Sightings;
pub use sources::{
    AfterLoad, Attachments, Grace, Login, MOST_REMOVED_PERCENT, NewSource, Settle, SourceKind,
    SourceRow, Sources, SyncPolicy, Terms,
};
pub use values::{FieldValue, Values};
pub use vins::{ContradictionRow, DoubtfulVin, KnownVin, Vins};

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

/// The database's clock.
pub async fn now(conn: &mut PgConnection) -> Result<jiff::Timestamp, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(conn)
        .await?;
    Ok(stamp(now))
}

/// A transaction for one long read: no statement limit, since a slow reader is not a slow query.
pub async fn begin_long_read(pool: &PgPool) -> Result<Transaction<'static, Postgres>, SqlError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("SET LOCAL statement_timeout = 0")
        .execute(&mut *tx)
        .await?;
    Ok(tx)
}

/// How a role connects.
pub struct PoolOptions {
    /// Shown in `pg_stat_activity`.
    pub name: &'static str,
    pub connections: u32,
    /// No statement of this role may run longer.
    pub statement: std::time::Duration,
    /// No statement waits longer for a lock.
    pub lock: std::time::Duration,
    pub tune: fn(sqlx::postgres::PgConnectOptions) -> sqlx::postgres::PgConnectOptions,
}

/// A pool for one role. Connections are made when first needed; one is made now, so that a wrong
/// address is told at once.
pub async fn connect(url: &str, options: &PoolOptions) -> Result<PgPool, SqlError> {
    let connect: sqlx::postgres::PgConnectOptions = url.parse()?;
    let statement = options.statement.as_millis().to_string();
    let lock = options.lock.as_millis().to_string();
    let connect = (options.tune)(connect.application_name(options.name)).options([
        ("statement_timeout", statement.as_str()),
        ("lock_timeout", lock.as_str()),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    // Told in the log: what took a tenth of what it may. A load's reports read thousands of rows, and are no fault.
    let connect = sqlx::ConnectOptions::log_slow_statements(
        connect,
        log::LevelFilter::Warn,
        options.statement / 10,
    );
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(std::time::Duration::from_secs(10))
        .connect_with(connect)
        .await?;
    Ok(pool)
}

/// A pool that has not connected and may never: for documents that need no database.
pub fn unconnected() -> PgPool {
    sqlx::postgres::PgPoolOptions::new().connect_lazy_with(sqlx::postgres::PgConnectOptions::new())
}

pub use sqlx::postgres::PgConnectOptions as ConnectOptions;

/// For benches: a database of one's own. The name must be a plain word.
pub async fn create_database(pool: &PgPool, name: &str) -> Result<(), SqlError> {
    run_ddl(pool, name, "CREATE DATABASE").await
}

pub async fn drop_database(pool: &PgPool, name: &str) -> Result<(), SqlError> {
    run_ddl(pool, name, "DROP DATABASE").await
}

async fn run_ddl(pool: &PgPool, name: &str, statement: &str) -> Result<(), SqlError> {
    if !name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    {
        return Err(SqlError::Configuration(
            format!("{name:?} is not a plain word").into(),
        ));
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{statement} {name}")))
        .execute(pool)
        .await?;
    Ok(())
}

/// The same server, another database.
pub fn with_database(url: &str, name: &str) -> Result<String, SqlError> {
    use sqlx::ConnectOptions as _;
    let options: ConnectOptions = url.parse()?;
    Ok(options.database(name).to_url_lossy().to_string())
}

/// Arranges what a test needs and no store offers.
#[cfg(feature = "testing")]
pub async fn execute_for_tests(pool: &PgPool, sql: &'static str) -> Result<(), SqlError> {
    sqlx::raw_sql(sql).execute(pool).await?;
    Ok(())
}
