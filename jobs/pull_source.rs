//! Fetch a source's new inventory files over SFTP and keep them for loading.
//!
//! Starts: nightly per source, or `POST /v2/sources/{source}/pulls`.
//! Reads: the source's drop. Writes: `source_files`, object `raw/{digest}`. Then: `load_file`.
//! Twice: the newest file of the source, or of its name, with the same digest is known and not
//! loaded again.

use crate::gates::judged;
use crate::{App, LoadFile, drop, turns};
use domain::Digest;
use jiff::Timestamp;
use partners::{RemoteFile, SftpSettings};
use queue::{Engine, Enqueue, Job, JobContext, JobError, Lock, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{Alerts, Files, NewFile, SourceKind, SourceRow, Sources};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PullSource {
    /// The source's key.
    pub source: String,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    listed: usize,
    new: usize,
    known: usize,
    unsafe_names: usize,
}

impl Job for PullSource {
    type App = App;
    const NAME: &'static str = "pull_source";
    const POLICY: Policy = Policy {
        queue: QueueName::Sftp,
        max_attempts: 10,
        // A drop may hold hundreds of megabytes behind a slow line.
        timeout: Duration::from_secs(30 * 60),
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.source.clone())
    }

    fn partner(&self) -> Option<String> {
        Some(drop::partner_of(&self.source))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let source = find(app, &self.source).await?;
        if source.kind == SourceKind::Upload {
            let reason = format!("source {} takes files from `forecourt load`", source.key);
            return Ok(Outcome::Cancelled { reason });
        }
        if source.paused {
            return Ok(Outcome::Cancelled {
                reason: format!("source {} is paused", source.key),
            });
        }
        let name = format!("pull of {}", source.key);
        let turn = turns::take(app, &name, cx, Self::POLICY.timeout).await?;
        let outcome = pull(app, cx, &source, &turn).await;
        turns::release(app, &turn).await;
        outcome
    }
}

async fn pull(
    app: &App,
    cx: &JobContext,
    source: &SourceRow,
    turn: &Lock,
) -> Result<Outcome, JobError> {
    let settings = drop::settings(app, source)?;
    let (files, unsafe_names) = drop::list(app, &settings, source).await.map_err(judged)?;
    tell_unsafe(app, source, &unsafe_names).await?;
    let mut report = Report {
        listed: files.len(),
        unsafe_names: unsafe_names.len(),
        ..Report::default()
    };
    // One file that cannot be had must not keep the others behind it from arriving.
    let mut first_problem = None;
    for file in files {
        match take(app, cx, source, &settings, turn, &file).await {
            Ok(true) => report.new += 1,
            Ok(false) => report.known += 1,
            Err(problem) => {
                first_problem.get_or_insert(problem);
            }
        }
    }
    match first_problem {
        Some(problem) => Err(problem),
        None => Ok(Outcome::Done(serde_json::to_value(report)?)),
    }
}

async fn find(app: &App, key: &str) -> Result<SourceRow, JobError> {
    let source = Sources::find(&mut *app.pool.acquire().await?, key).await?;
    source.ok_or_else(|| JobError::reject_because(format!("there is no source {key:?}")))
}

/// `true` when the file is new to us and its load is enqueued.
async fn take(
    app: &App,
    cx: &JobContext,
    source: &SourceRow,
    settings: &SftpSettings,
    turn: &Lock,
    file: &RemoteFile,
) -> Result<bool, JobError> {
    if fetched_before(app, source, file).await? {
        return Ok(false);
    }
    let bytes = drop::fetch(app, settings, source, file)
        .await
        .map_err(judged)?;
    keep(app, cx, source, turn, file, bytes).await
}

async fn fetched_before(
    app: &App,
    source: &SourceRow,
    file: &RemoteFile,
) -> Result<bool, JobError> {
    let (Some(modified), Ok(bytes)) = (modified_at(file), i64::try_from(file.bytes)) else {
        return Ok(false);
    };
    let mut conn = app.pool.acquire().await?;
    Ok(Files::seen(&mut conn, source.id, &file.name, bytes, modified).await?)
}

fn modified_at(file: &RemoteFile) -> Option<Timestamp> {
    file.modified
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
}

/// The raw copy first, then the ledger row and its load in one transaction: a crash between the
/// two leaves an object nobody names, and the next pull finds the file new.
async fn keep(
    app: &App,
    cx: &JobContext,
    source: &SourceRow,
    turn: &Lock,
    file: &RemoteFile,
    bytes: Vec<u8>,
) -> Result<bool, JobError> {
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let digest =
        Digest::parse(&digest).ok_or_else(|| JobError::reject_because("a digest that is none"))?;
    let object_key = format!("raw/{digest}");
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    if !app.objects.exists(&object_key).await.map_err(judged)? {
        app.objects
            .put(&object_key, bytes, "application/octet-stream")
            .await
            .map_err(judged)?;
    }
    let mut tx = app.pool.begin().await?;
    turns::still_ours(&mut tx, turn).await?;
    let record = NewFile {
        source_id: source.id,
        name: file.name.clone(),
        digest: digest.to_string(),
        bytes: size,
        modified_at: modified_at(file),
        object_key,
    };
    let (file_id, new) = Files::record(&mut tx, &record).await?;
    if new {
        let load = Enqueue::of(&LoadFile { file: file_id })?.run(cx.run_id);
        app.engine.enqueue(&mut tx, &[load]).await?;
    }
    tx.commit().await?;
    Ok(new)
}

async fn tell_unsafe(app: &App, source: &SourceRow, names: &[String]) -> Result<(), JobError> {
    let mut conn = app.pool.acquire().await?;
    if names.is_empty() {
        Alerts::resolve(&mut conn, "unsafe_file_name", &source.key).await?;
    } else {
        let shown: Vec<String> = names
            .iter()
            .take(5)
            .map(|name| format!("{name:?}"))
            .collect();
        let message = format!(
            "{} names that could lead elsewhere were left alone: {}",
            names.len(),
            shown.join(", ")
        );
        Alerts::raise(
            &mut conn,
            "unsafe_file_name",
            "warning",
            &source.key,
            &message,
        )
        .await?;
    }
    Ok(())
}
