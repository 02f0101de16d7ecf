//! Sources: list, pull, files, rejects, release.

use super::jobs::Accepted;
use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use ::jobs::by_hand::{self, Hand};
use ::jobs::sources::{SourceOrder, after_load_word, settle_word};
use domain::spreadsheet;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::{Attachment, AttachmentType, Json};
use poem_openapi::{Object, OpenApi};
use stores::{FileState, Files, Scope, SourceFile};

pub(crate) struct Sources {
    pub(crate) api: Api,
}

#[derive(Object)]
struct SourceView {
    key: String,
    /// `sftp`, `folder`, `https` or `upload`.
    kind: String,
    /// Absent when each row of its files names its own.
    dealer: Option<String>,
    host: String,
    folder: String,
    pattern: String,
    mapping: String,
    /// Of an https source.
    url: String,
    /// `overwrite`, `merge` or `update_only`.
    policy: String,
    grace_files: i32,
    grace_hours: i32,
    /// A file that would take more of the source's units off the lot is held.
    max_removed_percent: i32,
    username: String,
    /// The pinned one, of SFTP.
    host_key: String,
    /// Rooftops that rows name, and nobody knows yet, are made.
    create_dealers: bool,
    /// `twice`, `at_once` or `marker:ENDING`.
    settle: String,
    /// `leave`, `delete` or `move:FOLDER`.
    after_load: String,
    /// `keep` or `with_prime`.
    attachments: String,
    /// Where its daily report goes on the drop.
    report_folder: String,
    paused: bool,
    last_file_at: Option<String>,
    /// `fetched`, `loaded` or `held`.
    last_file_state: Option<String>,
}

/// A source as it shall be. What is left out stays as it is; of a new one it is what stands with each.
#[derive(Object)]
struct NewSource {
    /// Whose units its files hold; without it each row names its own rooftop.
    dealer: Option<String>,
    /// Rooftops that rows name, and nobody knows yet, are made; only without a dealer.
    create_dealers: Option<bool>,
    /// Of a source without a dealer; `UTC` unless told.
    time_zone: Option<String>,
    /// A file that would take more of the source's units off the lot is held; 30 unless told.
    max_removed_percent: Option<i32>,
    /// How its files are read; a new one needs it.
    mapping: Option<String>,
    /// `sftp` unless told, or `https`.
    kind: Option<String>,
    host: Option<String>,
    /// 22 unless told.
    port: Option<u16>,
    username: Option<String>,
    /// Never shown again.
    password: Option<String>,
    /// In OpenSSH's or PEM form, without a passphrase; never shown again.
    private_key: Option<String>,
    /// `SHA256:…`; without it the key that the host shows now is pinned.
    host_key: Option<String>,
    folder: Option<String>,
    /// `*.csv` unless told.
    pattern: Option<String>,
    /// Of an https source.
    url: Option<String>,
    /// When a file is whole: `twice` unless told, `at_once` or `marker:ENDING`.
    settle: Option<String>,
    /// What becomes of a loaded file: `leave` unless told, `delete` or `move:FOLDER`.
    after_load: Option<String>,
    /// `overwrite` unless told, `merge` or `update_only`.
    policy: Option<String>,
    /// A unit that is missing leaves the lot once more files than this lack it.
    grace_files: Option<i32>,
    /// And once the first of them is this old.
    grace_hours: Option<i32>,
    /// Of a prime unit that is gone or sold: `keep` unless told, or `with_prime`.
    attachments: Option<String>,
    /// Where its daily report goes on the drop; none unless told.
    report_folder: Option<String>,
    /// When it is pulled, in the dealer's time zone; `0 2 * * *` for a new one.
    cron: Option<String>,
}

/// Whether a source is looked into.
#[derive(Object)]
struct Pause {
    /// What lies in its drop meanwhile waits there.
    paused: bool,
}

#[derive(Object)]
struct SourceMade {
    key: String,
    /// The pinned one, of SFTP.
    host_key: String,
    schedule: String,
    cron: String,
    time_zone: String,
}

#[derive(Object)]
struct FileView {
    id: i64,
    name: String,
    digest: String,
    bytes: i64,
    seen_at: String,
    state: String,
    held_reason: Option<String>,
    /// Which version of a mapping of one's own read it.
    mapping_version: Option<i32>,
    rows: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    rejected: i64,
    duplicates: i64,
    removed: i64,
    /// Cells that could not be read, of rows that were loaded all the same.
    values_refused: i64,
    /// Who released it, when it was held.
    released_by: Option<String>,
}

impl From<SourceFile> for FileView {
    fn from(file: SourceFile) -> Self {
        let held = file.state == FileState::Held;
        Self {
            id: file.id,
            name: file.name,
            digest: file.digest,
            bytes: file.bytes,
            seen_at: file.seen_at.to_string(),
            state: file.state.as_str().to_owned(),
            held_reason: file.held_reason.filter(|_| held),
            values_refused: file.values_refused,
            released_by: file.released_by,
            mapping_version: file.mapping_version,
            rows: file.counts.rows,
            created: file.counts.created,
            updated: file.counts.updated,
            unchanged: file.counts.unchanged,
            rejected: file.counts.rejected,
            duplicates: file.counts.duplicates,
            removed: file.counts.removed,
        }
    }
}

#[OpenApi]
impl Sources {
    #[oai(path = "/sources", method = "get", operation_id = "list_sources")]
    async fn list_sources(&self, key: Key) -> Result<Json<Vec<SourceView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let sources = stores::Sources::list(&mut *self.api.app.pool.acquire().await?).await?;
        Ok(Json(
            sources
                .into_iter()
                .map(|source| SourceView {
                    key: source.key,
                    kind: source.kind.as_str().to_owned(),
                    url: source.url,
                    policy: source.terms.policy.as_str().to_owned(),
                    grace_files: source.terms.grace.files,
                    grace_hours: source.terms.grace.hours,
                    max_removed_percent: source.max_removed_percent,
                    settle: settle_word(&source.terms),
                    after_load: after_load_word(&source.terms),
                    attachments: source.terms.attachments.as_str().to_owned(),
                    report_folder: source.terms.report_folder,
                    username: source.username,
                    host_key: source.host_key,
                    create_dealers: source.create_dealers,
                    dealer: source.dealer,
                    host: format!("{}:{}", source.host, source.port),
                    folder: source.folder,
                    pattern: source.pattern,
                    mapping: source.mapping,
                    paused: source.paused,
                    last_file_at: source.last_file_at.map(|at| at.to_string()),
                    last_file_state: source.last_file_state,
                })
                .collect(),
        ))
    }

    /// Makes a source, or changes it to what is given.
    #[oai(path = "/sources/:source", method = "put", operation_id = "put_source")]
    async fn put_source(
        &self,
        key: Key,
        source: Path<String>,
        wanted: Json<NewSource>,
    ) -> Result<Json<SourceMade>, Problem> {
        let who = key.require(&self.api, Scope::Admin).await?;
        let wanted = wanted.0;
        let mut conn = self.api.app.pool.acquire().await?;
        let known = stores::Sources::find(&mut conn, &source.0).await?;
        drop(conn);
        // What is left out stays, the kind too.
        let is_folder = known.is_some_and(|known| known.kind == stores::SourceKind::Folder);
        if wanted.kind.as_deref() == Some("folder") || wanted.kind.is_none() && is_folder {
            let message = "a folder of the server is named on the server: `forecourt sources put --kind folder`";
            return Err(Problem::invalid(message));
        }
        let order = SourceOrder {
            dealer: wanted.dealer,
            create_dealers: wanted.create_dealers,
            time_zone: wanted.time_zone,
            max_removed_percent: wanted.max_removed_percent,
            mapping: wanted.mapping,
            kind: wanted.kind,
            host: wanted.host,
            port: wanted.port,
            username: wanted.username,
            password: wanted.password.map(Into::into),
            private_key: wanted.private_key.map(Into::into),
            host_key: wanted.host_key,
            folder: wanted.folder,
            pattern: wanted.pattern,
            url: wanted.url,
            settle: wanted.settle,
            after_load: wanted.after_load,
            policy: wanted.policy,
            grace_files: wanted.grace_files,
            grace_hours: wanted.grace_hours,
            attachments: wanted.attachments,
            report_folder: wanted.report_folder,
            cron: wanted.cron,
        };
        let made = ::jobs::sources::put(&self.api.app, &source.0, order, &who.name).await?;
        Ok(Json(SourceMade {
            key: source.0,
            host_key: made.host_key,
            schedule: made.schedule,
            cron: made.cron,
            time_zone: made.time_zone,
        }))
    }

    /// Looks for new files now, as a job.
    #[oai(
        path = "/sources/:source/pulls",
        method = "post",
        operation_id = "pull_source"
    )]
    async fn pull_source(&self, key: Key, source: Path<String>) -> Result<Accepted, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let enqueued = by_hand::pull(&self.api.app, &source.0, hand(&who.name)).await?;
        Ok(Accepted::new(enqueued))
    }

    /// Makes the source wait, or go on; what lies in its drop meanwhile waits there.
    #[oai(
        path = "/sources/:source/paused",
        method = "put",
        operation_id = "pause_source"
    )]
    async fn pause_source(
        &self,
        key: Key,
        source: Path<String>,
        wanted: Json<Pause>,
    ) -> Result<Json<Pause>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        by_hand::pause(&self.api.app, &source.0, wanted.0.paused, &who.name).await?;
        Ok(wanted)
    }

    /// Loads the source's newest file once more, as after its mapping was mended; answers with the new entry of the
    /// ledger.
    #[oai(
        path = "/sources/:source/reloads",
        method = "post",
        operation_id = "reload_source"
    )]
    async fn reload_source(
        &self,
        key: Key,
        source: Path<String>,
    ) -> Result<Json<FileView>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let file = by_hand::reload(&self.api.app, &source.0, hand(&who.name)).await?;
        let file = Files::get(&mut *self.api.app.pool.acquire().await?, file).await?;
        Ok(Json(file.into()))
    }

    /// Files of a source, newest first.
    #[oai(
        path = "/sources/:source/files",
        method = "get",
        operation_id = "list_source_files"
    )]
    async fn list_source_files(
        &self,
        key: Key,
        source: Path<String>,
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<FileView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let known = stores::Sources::find(&mut conn, &source.0).await?;
        let source = known.ok_or_else(|| Problem::not_found("source", &source.0))?;
        let limit = limit.0.unwrap_or(50).clamp(1, 500);
        let files = Files::list(&mut conn, Some(source.id), limit).await?;
        Ok(Json(files.into_iter().map(Into::into).collect()))
    }

    /// Everything refused of a file, as CSV: row, column, value, rule, message, whether the row is
    /// lost.
    #[oai(
        path = "/files/:file/rejects",
        method = "get",
        operation_id = "download_rejects"
    )]
    async fn download_rejects(
        &self,
        key: Key,
        file: Path<i64>,
    ) -> Result<Attachment<Vec<u8>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let file = Files::get(&mut conn, file.0).await?;
        let mut csv = String::from("row,column,value,rule,message,row_lost,stock_number\r\n");
        for reject in Files::rejects(&mut conn, file.id).await? {
            let cells = [
                reject.row.to_string(),
                reject.column,
                reject.value,
                reject.rule,
                reject.message,
                reject.row_lost.to_string(),
                reject.stock_number,
            ];
            csv.push_str(&spreadsheet::line(cells.iter().map(String::as_str)));
        }
        Ok(Attachment::new(csv.into_bytes())
            .attachment_type(AttachmentType::Attachment)
            .filename(format!("rejects-{}.csv", file.id)))
    }

    /// Lets a held file through, guard and all.
    #[oai(
        path = "/files/:file/release",
        method = "post",
        operation_id = "release_file"
    )]
    async fn release_file(&self, key: Key, file: Path<i64>) -> Result<Accepted, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let enqueued = by_hand::release(&self.api.app, file.0, hand(&who.name)).await?;
        Ok(Accepted::new(enqueued))
    }
}

fn hand(who: &str) -> Hand<'_> {
    Hand { who, by: "api key" }
}
