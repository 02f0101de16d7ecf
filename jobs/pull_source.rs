//! Fetch a source's new inventory files, over SFTP, from a folder or from a web address, and keep them for loading.
//!
//! Starts: nightly per source, or `POST /v2/sources/{source}/pulls`.
//! Reads: the source's drop. Writes: `source_files`, object `raw/{digest}`. Then: `load_file`.
//! Twice: the newest file of the source, or of its name, with the same digest is known and not
//! loaded again, but cleared from the drop like the first. A fetch that was cut goes on where it stopped, in the same process's cache.

use crate::gates::judged;
use crate::{App, ClearDrop, LiesAgain, LoadFile, drop, export_report, raw, retire, turns};
use domain::file_name;
use jiff::Timestamp;
use partners::{Arrived, Download, ErrorKind, PartnerError, RemoteFile, Way};
use queue::{Engine, Enqueue, Job, JobContext, JobError, Lock, Outcome, Policy, QueueName};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use stores::{
    AfterLoad, Alerts, FileState, Files, NewFile, Settle, Sightings, SourceKind, SourceRow, Sources,
};

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
    /// Still being written: looked at again in a minute.
    unsettled: Vec<String>,
    /// Units whose grace ended.
    retired: i64,
}

/// Between the two looks at a file that must not have changed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// Files written within so many seconds of each other may have been put there together.
const TOGETHER: i64 = 3600;
/// A file that is still being written is looked at again this much later.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

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
        let outcome = match drop::place(app, &source, cx, Self::POLICY.timeout).await {
            Ok(place) => {
                let outcome = pull(app, cx, &source, &turn).await;
                turns::release(app, &place).await;
                outcome
            }
            Err(full) => Err(full),
        };
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
    if source.kind == SourceKind::Https {
        return pull_address(app, cx, source, turn).await;
    }
    let way = drop::way(app, source)?;
    let (mut files, unsafe_names) = looked(app, source, list(app, &way, source).await).await?;
    // Our own reports lie beside the files, perhaps those of another source too.
    let sources = Sources::list(&mut *app.pool.acquire().await?).await?;
    let report = |file: &RemoteFile| {
        let mut keys = sources.iter().map(|source| source.key.as_str());
        keys.any(|key| export_report::is_report(key, &file.name))
    };
    files.retain(|file| !report(file));
    tell_unsafe(app, source, &unsafe_names).await?;
    let mut report = Report {
        listed: files.len(),
        unsafe_names: unsafe_names.len(),
        ..Report::default()
    };
    let newest = newest(&files);
    let mut new = Vec::new();
    for file in files {
        if fetched_before(app, source, &file).await? {
            report.known += 1;
        } else {
            new.push(file);
        }
    }
    let settled = settled(app, &way, source, new, &mut report).await?;
    // One file that cannot be had must not keep the others behind it from arriving.
    let mut first_problem = None;
    for file in settled {
        let anew = newest.as_ref() == Some(&file.name);
        match take(app, cx, source, &way, turn, (&file, anew)).await {
            Ok(Some(true)) => report.new += 1,
            Ok(Some(false)) => report.known += 1,
            Ok(None) => report.unsettled.push(file.name),
            Err(problem) => {
                first_problem.get_or_insert(problem);
            }
        }
    }
    match (first_problem, report.unsettled.first()) {
        (Some(problem), _) => Err(problem),
        (None, Some(name)) => Ok(Outcome::Snooze {
            after: LOOK_AGAIN,
            reason: format!("{name} is still being written"),
        }),
        (None, None) => {
            report.retired = overdue(app, source).await?;
            Ok(Outcome::Done(serde_json::to_value(report)?))
        }
    }
}

/// Units whose grace ended since the last file, which may never be followed by another.
async fn overdue(app: &App, source: &SourceRow) -> Result<i64, JobError> {
    if source.terms.grace.hours == 0 {
        return Ok(0);
    }
    let mut turn = app.pool.begin().await?;
    // A load that runs does it itself.
    let gone = match Sources::lock_for_load(&mut turn, source.id).await? {
        true => match Files::newest_loaded(&mut turn, source.id).await? {
            Some(file) => retire::missing(app, source, file).await,
            None => Ok(0),
        },
        false => Ok(0),
    };
    // Given up now, as a load's turn is.
    turn.rollback().await?;
    gone
}

/// The one file of a web address, unless it has not changed since the last time.
async fn pull_address(
    app: &App,
    cx: &JobContext,
    source: &SourceRow,
    turn: &Lock,
) -> Result<Outcome, JobError> {
    let mut conn = app.pool.acquire().await?;
    let since = Sightings::newest(&mut conn, source.id).await?;
    std::mem::drop(conn);
    let login = drop::login(app, source)?;
    let mut file = RemoteFile {
        name: file_name(&source.url),
        bytes: 0,
        modified: None,
    };
    let stage = drop::stage(app, source, &file, Some(cx)).await?;
    let partner = drop::partner_of(&source.key);
    let since = since.map(|at| at.as_second());
    let asked = app
        .fetcher
        .download(&partner, &source.url, login.as_ref(), since, &stage);
    let mut report = Report {
        listed: 1,
        ..Report::default()
    };
    let taken = match drop::at_host(app, source, asked).await.map_err(judged) {
        Ok(Download::NotModified) => Ok(false),
        Ok(Download::Arrived { modified }) => {
            file.modified = modified;
            keep(app, cx, source, turn, (&file, false), &stage).await
        }
        Err(error) => Err(error),
    };
    // It is this attempt's own: whatever became of it, nobody goes on from there.
    if let Err(error) = tokio::fs::remove_file(&stage).await {
        tracing::debug!(%error, stage = %stage.display(), "a stage could not be removed");
    }
    let new = taken?;
    (report.new, report.known) = (usize::from(new), usize::from(!new));
    report.retired = overdue(app, source).await?;
    Ok(Outcome::Done(serde_json::to_value(report)?))
}

/// The last word of the address's path, when it is one a file may have.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.split('/').skip(3).last().unwrap_or_default();
    match file_name::is_safe(name) {
        true => name.to_owned(),
        false => "stock".to_owned(),
    }
}

/// What the source's pattern means, and nothing that only says that another file is whole.
async fn list(
    app: &App,
    way: &Way,
    source: &SourceRow,
) -> Result<(Vec<RemoteFile>, Vec<String>), PartnerError> {
    let Settle::Marker(ending) = &source.terms.settle else {
        return drop::list(app, way, source, &source.pattern).await;
    };
    let (all, unsafe_names) = drop::list(app, way, source, "*").await?;
    // One that is older than its file is left over from the file before.
    let markers: std::collections::HashMap<String, Option<i64>> = all
        .iter()
        .map(|file| (file.name.clone(), file.modified))
        .collect();
    let marked = |file: &RemoteFile| {
        !file.name.ends_with(ending.as_str())
            && markers
                .get(&format!("{}{ending}", file.name))
                .is_some_and(|marked| marked >= &file.modified)
            && file_name::matches(&source.pattern, &file.name)
    };
    Ok((all.into_iter().filter(marked).collect(), unsafe_names))
}

/// A host that shows another key than the pinned one is told to somebody: it is a new server, or not theirs.
async fn looked<T>(
    app: &App,
    source: &SourceRow,
    answer: Result<T, PartnerError>,
) -> Result<T, JobError> {
    let mut conn = app.pool.acquire().await?;
    match &answer {
        Ok(_) => Alerts::resolve(&mut conn, "host_key_changed", &source.key).await?,
        Err(error) if error.kind == ErrorKind::Denied && error.operation == "trust" => {
            let message =
                format!("{error}; when the dealer has confirmed it: `forecourt sources trust`");
            Alerts::raise(
                &mut conn,
                "host_key_changed",
                "critical",
                &source.key,
                &message,
            )
            .await?;
        }
        Err(_) => {}
    }
    answer.map_err(judged)
}

/// Those that are whole, as far as the source's terms can tell.
async fn settled(
    app: &App,
    way: &Way,
    source: &SourceRow,
    files: Vec<RemoteFile>,
    report: &mut Report,
) -> Result<Vec<RemoteFile>, JobError> {
    if source.terms.settle != Settle::Twice || files.is_empty() {
        return Ok(files);
    }
    tokio::time::sleep(BETWEEN_LOOKS).await;
    let (again, _) = list(app, way, source).await.map_err(judged)?;
    let (settled, moving) = files
        .into_iter()
        .partition::<Vec<_>, _>(|file| again.contains(file));
    report
        .unsettled
        .extend(moving.into_iter().map(|file| file.name));
    Ok(settled)
}

async fn find(app: &App, key: &str) -> Result<SourceRow, JobError> {
    let source = Sources::find(&mut *app.pool.acquire().await?, key).await?;
    source.ok_or_else(|| JobError::reject_because(format!("there is no source {key:?}")))
}

/// The file that was written long after all others of the drop, if there is one: the dealer's newest word, whatever its name.
/// Where they were all put there together their times say nothing.
fn newest(files: &[RemoteFile]) -> Option<String> {
    let written = |file: &&RemoteFile| file.modified.unwrap_or(i64::MIN);
    let newest = files.iter().max_by_key(written)?;
    let apart = |other: &RemoteFile| {
        other.name == newest.name || written(&other) < written(&newest).saturating_sub(TOGETHER)
    };
    files.iter().all(apart).then(|| newest.name.clone())
}

/// `true` when the file is new to us and its load is enqueued, `None` when it changed while it was read.
async fn take(
    app: &App,
    cx: &JobContext,
    source: &SourceRow,
    way: &Way,
    turn: &Lock,
    (file, anew): (&RemoteFile, bool),
) -> Result<Option<bool>, JobError> {
    // A folder's file is copied anew each time; what came over SFTP goes on where it stopped.
    let own = (source.kind == SourceKind::Folder).then_some(cx);
    let stage = drop::stage(app, source, file, own).await?;
    let taken = match drop::fetch(app, way, source, file, &stage).await {
        Ok(Arrived::Whole) => {
            let kept = keep(app, cx, source, turn, (file, anew), &stage);
            kept.await.map(Some)
        }
        Ok(Arrived::Changed) => Ok(None),
        Err(error) => Err(judged(error)),
    };
    if taken.is_err() && own.is_none() {
        return taken;
    }
    if let Err(error) = tokio::fs::remove_file(&stage).await {
        tracing::warn!(%error, stage = %stage.display(), "a stage could not be removed");
    }
    taken
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
    Ok(Sightings::seen(&mut conn, source.id, &file.name, bytes, modified).await?)
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
    (file, anew): (&RemoteFile, bool),
    stage: &Path,
) -> Result<bool, JobError> {
    let kept = raw::keep(app, stage).await.map_err(raw::RawError::judged)?;
    let mut tx = app.pool.begin().await?;
    turns::still_ours(&mut tx, turn).await?;
    let record = NewFile {
        source_id: source.id,
        name: file.name.clone(),
        digest: kept.digest.clone(),
        bytes: kept.bytes,
        modified_at: modified_at(file),
        object_key: kept.object_key.clone(),
    };
    let (file_id, new) = Files::record(&mut tx, &record, anew).await?;
    raw::still_kept(&mut tx, app, stage, &kept)
        .await
        .map_err(raw::RawError::judged)?;
    let next = match new {
        true => Some(Enqueue::of(&LoadFile { file: file_id })?),
        false => {
            Sightings::note(&mut tx, &record, file_id).await?;
            let loaded = Files::get(&mut tx, file_id).await?.state == FileState::Loaded;
            let drop = source.kind != SourceKind::Https;
            let cleared = loaded && drop && source.terms.after_load != AfterLoad::Leave;
            let clear = ClearDrop {
                file: file_id,
                source: source.key.clone(),
                again: Some(LiesAgain {
                    name: file.name.clone(),
                    modified: file.modified,
                }),
            };
            cleared.then(|| Enqueue::of(&clear)).transpose()?
        }
    };
    let next = next.map(|order| order.run(cx.run_id));
    app.engine.enqueue(&mut tx, next.as_slice()).await?;
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
