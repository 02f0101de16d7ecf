//! Inbound drops, their credentials sealed.

use crate::error::{Res, StoreError};
use crate::secrets::Sealed;
use jiff::Timestamp;
use sqlx::PgConnection;

#[derive(Clone, Debug)]
pub struct NewSource {
    pub key: String,
    pub kind: SourceKind,
    /// `None` when each row of its files names its own rooftop.
    pub dealer_id: Option<i64>,
    pub create_dealers: bool,
    pub max_removed_percent: i32,
    pub host: String,
    pub port: u16,
    pub username: String,
    pub secret: Sealed,
    pub host_key: String,
    pub folder: String,
    pub pattern: String,
    pub mapping: String,
    /// Of an https source.
    pub url: String,
    pub terms: Terms,
}

/// What a drop asks of us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub login: Login,
    pub settle: Settle,
    pub after_load: AfterLoad,
    pub policy: SyncPolicy,
    pub grace: Grace,
    pub attachments: Attachments,
    /// Where its reports go on the drop; blank for none.
    pub report_folder: String,
}

/// What a source's files say of the stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// All of it: what a file lacks is gone, what it leaves blank is blank.
    #[default]
    Overwrite,
    /// All units, but not all of each: what a file lacks is gone, what it leaves blank stands.
    Merge,
    /// Of units that are known, what it says: nothing is new and nothing is gone.
    UpdateOnly,
}

impl SyncPolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Merge => "merge",
            Self::UpdateOnly => "update_only",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Overwrite, Self::Merge, Self::UpdateOnly]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}

/// How long a unit that is missing is waited for: both must have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace {
    /// So many loaded files may lack it.
    pub files: i32,
    /// Since the first of them was seen.
    pub hours: i32,
}

/// What becomes of attachments whose prime unit is not in the file, or sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attachments {
    #[default]
    Keep,
    WithPrime,
}

impl Attachments {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::WithPrime => "with_prime",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Login {
    #[default]
    Password,
    /// The secret is a private key, in OpenSSH's or PEM form, without a passphrase.
    Key,
}

/// When a file in a drop is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Settle {
    /// As soon as it is there: for dealers who rename it into place.
    #[default]
    AtOnce,
    /// It has the same size and time at two looks.
    Twice,
    /// A file of its name and this ending lies beside it.
    Marker(String),
}

/// What becomes of a file in the drop when it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AfterLoad {
    #[default]
    Leave,
    Move(String),
    Delete,
}

impl Terms {
    /// As they are kept: login, settle, marker, after_load, after_folder.
    fn words(&self) -> [&str; 5] {
        let login = match self.login {
            Login::Password => "password",
            Login::Key => "key",
        };
        let (settle, marker) = match &self.settle {
            Settle::AtOnce => ("at_once", ""),
            Settle::Twice => ("twice", ""),
            Settle::Marker(marker) => ("marker", marker.as_str()),
        };
        let (after, folder) = match &self.after_load {
            AfterLoad::Leave => ("leave", ""),
            AfterLoad::Move(folder) => ("move", folder.as_str()),
            AfterLoad::Delete => ("delete", ""),
        };
        [login, settle, marker, after, folder]
    }

    fn read(login: &str, settle: &str, marker: String, after: &str, folder: String) -> Self {
        Self {
            login: match login {
                "key" => Login::Key,
                _ => Login::Password,
            },
            settle: match settle {
                "twice" => Settle::Twice,
                "marker" => Settle::Marker(marker),
                _ => Settle::AtOnce,
            },
            after_load: match after {
                "move" => AfterLoad::Move(folder),
                "delete" => AfterLoad::Delete,
                _ => AfterLoad::Leave,
            },
            ..Self::default()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    pub id: i64,
    pub key: String,
    pub kind: SourceKind,
    /// `None` when each row of its files names its own rooftop.
    pub dealer_id: Option<i64>,
    pub dealer: Option<String>,
    /// Rooftops its files name and nobody knows yet are made.
    pub create_dealers: bool,
    pub host: String,
    pub port: i32,
    pub username: String,
    pub sealed_secret: Vec<u8>,
    pub sealed_key_id: String,
    pub host_key: String,
    pub folder: String,
    pub pattern: String,
    pub mapping: String,
    pub terms: Terms,
    pub url: String,
    /// A file that would remove more of the stock than this is held.
    pub max_removed_percent: i32,
    pub paused: bool,
    pub last_file_at: Option<Timestamp>,
    pub last_file_state: Option<String>,
}

impl SourceRow {
    pub fn secret(&self) -> Sealed {
        Sealed {
            bytes: self.sealed_secret.clone(),
            key_id: self.sealed_key_id.clone(),
        }
    }

    /// Where its files come from, in words.
    pub fn place(&self) -> String {
        let Self {
            host, port, folder, ..
        } = self;
        match self.kind {
            SourceKind::Sftp => format!("{host}:{port}{folder}/{}", self.pattern),
            SourceKind::Folder => format!("{folder}/{}", self.pattern),
            SourceKind::Https => self.url.clone(),
            SourceKind::Upload => "handed in".to_owned(),
        }
    }

    /// What a sealed secret is bound to.
    pub fn purpose(key: &str) -> String {
        format!("source {key}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A drop that `pull_source` looks into.
    Sftp,
    /// A folder of this machine, or one that is mounted.
    Folder,
    /// One file at a web address.
    Https,
    /// Files an operator hands in.
    Upload,
}

impl SourceKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sftp => "sftp",
            Self::Folder => "folder",
            Self::Https => "https",
            Self::Upload => "upload",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "upload" => Self::Upload,
            "folder" => Self::Folder,
            "https" => Self::Https,
            _ => Self::Sftp,
        }
    }
}

/// Of a hundred units on the lot: more at once is an export that was cut rather than a good day's sales.
pub const MOST_REMOVED_PERCENT: i32 = 30;

pub struct Sources;

impl Sources {
    /// When the dealer was told of the source's files, and from when on that told.
    pub async fn report_of(
        conn: &mut PgConnection,
        id: i64,
    ) -> Res<Option<(Timestamp, Timestamp)>> {
        let told = sqlx::query!(
            r#"SELECT reported_at AS "at!", reported_since AS "since!" FROM sources
             WHERE id = $1 AND reported_at IS NOT NULL AND reported_since IS NOT NULL"#,
            id
        );
        let told = told.fetch_optional(conn).await?;
        Ok(told.map(|told| (crate::stamp(told.at), crate::stamp(told.since))))
    }

    pub async fn reported(
        conn: &mut PgConnection,
        id: i64,
        since: Timestamp,
        at: Timestamp,
    ) -> Res<()> {
        sqlx::query!(
            "UPDATE sources SET reported_at = $2, reported_since = $3 WHERE id = $1",
            id,
            crate::unstamp(at),
            crate::unstamp(since)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Makes or updates the source with this key; returns its id.
    pub async fn put(conn: &mut PgConnection, source: &NewSource) -> Res<i64> {
        let [login, settle, marker, after, folder] = source.terms.words();
        Ok(sqlx::query_scalar!(
            "INSERT INTO sources (key, dealer_id, host, port, username, sealed_secret, sealed_key_id, host_key,
                folder, pattern, mapping, login, settle, marker, after_load, after_folder, kind, url, policy, grace_files,
                grace_hours, attachments, report_folder, create_dealers, max_removed_percent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
                $24, $25)
             ON CONFLICT (key) DO UPDATE SET dealer_id = $2, host = $3, port = $4, username = $5,
                sealed_secret = $6, sealed_key_id = $7, host_key = $8, folder = $9, pattern = $10, mapping = $11,
                login = $12, settle = $13, marker = $14, after_load = $15, after_folder = $16, kind = $17, url = $18,
                policy = $19, grace_files = $20, grace_hours = $21, attachments = $22, report_folder = $23,
                create_dealers = $24, max_removed_percent = $25
             RETURNING id",
            source.key,
            source.dealer_id,
            source.host,
            i32::from(source.port),
            source.username,
            source.secret.bytes,
            source.secret.key_id,
            source.host_key,
            source.folder,
            source.pattern,
            source.mapping,
            login,
            settle,
            marker,
            after,
            folder,
            source.kind.as_str(),
            source.url,
            source.terms.policy.as_str(),
            source.terms.grace.files,
            source.terms.grace.hours,
            source.terms.attachments.as_str(),
            source.terms.report_folder,
            source.create_dealers,
            source.max_removed_percent
        )
        .fetch_one(conn)
        .await?)
    }

    /// Its host has another key from now on.
    pub async fn pin(conn: &mut PgConnection, key: &str, host_key: &str) -> Res<()> {
        sqlx::query!(
            "UPDATE sources SET host_key = $2 WHERE key = $1",
            key,
            host_key
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// As it is, and as it stays until the transaction ends.
    pub async fn lock(conn: &mut PgConnection, key: &str) -> Res<Option<SourceRow>> {
        // Also one that is not there yet.
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('source ' || $1::text, 0))",
            key
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "SELECT id FROM sources WHERE key = $1 FOR NO KEY UPDATE",
            key
        )
        .fetch_optional(&mut *conn)
        .await?;
        Self::find(conn, key).await
    }

    pub async fn set_paused(conn: &mut PgConnection, key: &str, paused: bool) -> Res<()> {
        sqlx::query!(
            "UPDATE sources SET paused_at = CASE WHEN $2 THEN coalesce(paused_at, now()) END WHERE key = $1",
            key,
            paused
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Makes or updates the source of files that an operator hands in; returns its id.
    pub async fn put_upload(
        conn: &mut PgConnection,
        key: &str,
        dealer_id: Option<i64>,
        mapping: &str,
        create_dealers: bool,
    ) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO sources (key, kind, dealer_id, mapping, create_dealers, host, port, username, sealed_secret,
                sealed_key_id, host_key, folder, pattern)
             VALUES ($1, 'upload', $2, $3, $4, '', 0, '', '', '', '', '', '')
             ON CONFLICT (key) DO UPDATE SET dealer_id = $2, mapping = $3, create_dealers = $4
             RETURNING id",
            key,
            dealer_id,
            mapping,
            create_dealers
        )
        .fetch_one(conn)
        .await?)
    }

    /// Holds the source's load lock until this transaction ends; `false` when another load has it.
    pub async fn lock_for_load(conn: &mut PgConnection, id: i64) -> Res<bool> {
        // The class keeps these locks apart from any other use of advisory locks.
        Ok(sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtextextended('load of source ' || $1::bigint, 0)) AS "got!""#,
            id
        )
        .fetch_one(conn)
        .await?)
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<SourceRow>> {
        Self::select(conn, None, None).await
    }

    pub async fn get(conn: &mut PgConnection, id: i64) -> Res<SourceRow> {
        let not_found = || StoreError::NotFound {
            what: "source",
            key: id.to_string(),
        };
        Self::select(conn, Some(id), None)
            .await?
            .pop()
            .ok_or_else(not_found)
    }

    pub async fn find(conn: &mut PgConnection, key: &str) -> Res<Option<SourceRow>> {
        Ok(Self::select(conn, None, Some(key)).await?.pop())
    }

    async fn select(
        conn: &mut PgConnection,
        id: Option<i64>,
        key: Option<&str>,
    ) -> Res<Vec<SourceRow>> {
        let rows = sqlx::query_file!("queries/sources.sql", id, key)
            .fetch_all(conn)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| SourceRow {
                id: row.id,
                key: row.key,
                kind: SourceKind::parse(&row.kind),
                dealer_id: row.dealer_id,
                dealer: row.dealer,
                create_dealers: row.create_dealers,
                host: row.host,
                port: row.port,
                username: row.username,
                sealed_secret: row.sealed_secret,
                sealed_key_id: row.sealed_key_id,
                host_key: row.host_key,
                folder: row.folder,
                pattern: row.pattern,
                mapping: row.mapping,
                terms: Terms {
                    policy: SyncPolicy::parse(&row.policy).unwrap_or_default(),
                    grace: Grace {
                        files: row.grace_files,
                        hours: row.grace_hours,
                    },
                    attachments: match row.attachments.as_str() {
                        "with_prime" => Attachments::WithPrime,
                        _ => Attachments::Keep,
                    },
                    report_folder: row.report_folder,
                    ..Terms::read(
                        &row.login,
                        &row.settle,
                        row.marker,
                        &row.after_load,
                        row.after_folder,
                    )
                },
                url: row.url,
                max_removed_percent: row.max_removed_percent,
                paused: row.paused,
                last_file_at: row.last_file_at.map(crate::stamp),
                last_file_state: row.last_file_state,
            })
            .collect())
    }
}
