//! A source's drop, as jobs see it: its partner, its login, its listing and its files, every call through the gate.

use crate::App;
use jiff::Timestamp;
use partners::sftp::ANSWER;
use partners::{
    Arrived, ErrorKind, Opened, PartnerError, RemoteFile, SftpLogin, SftpSettings, Way, gate,
};
use queue::{JobContext, JobError, Lock};
use secrecy::SecretString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stores::{AfterLoad, Login, SourceKind, SourceRow};

/// Each source is a partner of its own, and so is the host that several may share.
pub(crate) fn partner_of(source: &str) -> String {
    format!("sftp {source}")
}

pub(crate) fn way(app: &App, source: &SourceRow) -> Result<Way, JobError> {
    if source.kind == SourceKind::Folder {
        return Ok(Way::Folder);
    }
    let secret = secret(app, source)?;
    Ok(Way::Sftp(SftpSettings {
        host: source.host.clone(),
        port: u16::try_from(source.port).unwrap_or(22),
        username: source.username.clone(),
        login: match source.terms.login {
            Login::Password => SftpLogin::Password(secret),
            Login::Key => SftpLogin::Key(secret),
        },
        host_key: source.host_key.clone(),
        answer: ANSWER,
    }))
}

fn secret(app: &App, source: &SourceRow) -> Result<SecretString, JobError> {
    app.sealer
        .open(&SourceRow::purpose(&source.key), &source.secret())
        .map_err(|error| JobError::reject(&error))
}

/// Logs in and lists, and takes nothing.
pub(crate) async fn knock(
    app: &App,
    source: &SourceRow,
) -> Result<Result<(), PartnerError>, JobError> {
    if source.kind == SourceKind::Https {
        let login = login(app, source)?;
        let partner = partner_of(&source.key);
        let reached = app.fetcher.reach(&partner, &source.url, login.as_ref());
        return Ok(at_host(app, source, reached).await);
    }
    let way = way(app, source)?;
    let listed = list(app, &way, source, &source.pattern).await;
    Ok(listed.map(|_| ()))
}

/// Shown to a web address, when it has one.
pub(crate) fn login(app: &App, source: &SourceRow) -> Result<Option<partners::Login>, JobError> {
    if source.username.is_empty() {
        return Ok(None);
    }
    Ok(Some(partners::Login {
        username: source.username.clone(),
        password: secret(app, source)?,
    }))
}

/// Plain files that match the pattern, by name, and names that could lead elsewhere.
pub(crate) async fn list(
    app: &App,
    way: &Way,
    source: &SourceRow,
    pattern: &str,
) -> Result<(Vec<RemoteFile>, Vec<String>), PartnerError> {
    let (folder, pattern) = (source.folder.clone(), pattern.to_owned());
    at(app, way, source, move |drop| drop.list(&folder, &pattern)).await
}

/// Into `stage`, going on where a fetch of the same file was cut.
pub(crate) async fn fetch(
    app: &App,
    way: &Way,
    source: &SourceRow,
    file: &RemoteFile,
    stage: &Path,
) -> Result<Arrived, PartnerError> {
    let (folder, file, stage) = (source.folder.clone(), file.clone(), stage.to_owned());
    at(app, way, source, move |drop| {
        drop.fetch(&folder, &file, &stage)
    })
    .await
}

/// A report to the dealer, whole or not at all; one of the name that is there is replaced.
pub(crate) async fn put(
    app: &App,
    way: &Way,
    source: &SourceRow,
    name: &str,
    bytes: Vec<u8>,
) -> Result<(), PartnerError> {
    let (folder, name) = (source.terms.report_folder.clone(), name.to_owned());
    at(app, way, source, move |drop| {
        drop.put(&folder, &name, &bytes)
    })
    .await
}

/// A call that goes through the source's own gate, through its host's.
pub(crate) async fn at_host<T>(
    app: &App,
    source: &SourceRow,
    call: impl Future<Output = Result<T, PartnerError>>,
) -> Result<T, PartnerError> {
    match host_partner(source) {
        Some(host) => gate::at_host(&*app.gate, &host, call).await,
        None => call.await,
    }
}

/// As breakers know the host. A folder has none.
pub(crate) fn host_partner(source: &SourceRow) -> Option<String> {
    match source.kind {
        SourceKind::Sftp | SourceKind::Https => Some(format!("host {}", host_of(source))),
        SourceKind::Folder | SourceKind::Upload => None,
    }
}

/// One call of a drop, through the gates.
async fn at<T: Send + 'static>(
    app: &App,
    way: &Way,
    source: &SourceRow,
    call: impl Fn(&Opened) -> Result<T, PartnerError> + Clone + Send + 'static,
) -> Result<T, PartnerError> {
    let partner = partner_of(&source.key);
    let called = gate::through(&*app.gate, &partner, || {
        let (way, call) = (way.clone(), call.clone());
        blocking(move || call(&way.open()?))
    });
    at_host(app, source, called).await
}

/// Moves or deletes a loaded file, unless the dealer has put another of its name there since. What was done.
pub(crate) async fn clear(
    app: &App,
    source: &SourceRow,
    file: RemoteFile,
) -> Result<Result<&'static str, PartnerError>, JobError> {
    let way = way(app, source)?;
    let (folder, terms) = (source.folder.clone(), source.terms.clone());
    let done = at(app, &way, source, move |client| {
        let name = file.name.as_str();
        let Some(there) = client.look(&folder, name)? else {
            return Ok("it is gone already");
        };
        if (there.bytes, there.modified) != (file.bytes, file.modified) {
            return Ok("another file of its name is there by now: left alone");
        }
        let said = match &terms.after_load {
            AfterLoad::Leave => return Ok("left alone"),
            AfterLoad::Move(other) => {
                // Most exports have one name every night: what came before is kept beside.
                let mut to = name.to_owned();
                for more in 0..MOST_OF_A_NAME {
                    if client.look(other, &to)?.is_none() {
                        break;
                    }
                    to = dated(name, file.modified, more);
                }
                client.move_to(&folder, name, other, &to)?;
                "moved"
            }
            AfterLoad::Delete => {
                client.delete(&folder, name)?;
                "deleted"
            }
        };
        if let stores::Settle::Marker(ending) = &terms.settle {
            let marker = format!("{name}{ending}");
            if client.look(&folder, &marker)?.is_some() {
                client.delete(&folder, &marker)?;
            }
        }
        Ok(said)
    })
    .await;
    Ok(done)
}

/// Kept beside each other.
const MOST_OF_A_NAME: u32 = 1_000;

/// `stock.csv` of that second as `stock-20261127T020000.csv` (UTC), the next as `stock-20261127T020000-1.csv`.
fn dated(name: &str, modified: Option<i64>, more: u32) -> String {
    let at = modified.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.map_or("undated".to_owned(), |at| {
        at.strftime("%Y%m%dT%H%M%S").to_string()
    });
    let at = match more {
        0 => at,
        more => format!("{at}-{more}"),
    };
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem}-{at}.{ending}"),
        _ => format!("{name}-{at}"),
    }
}

/// One host is asked this much at once, whatever number of sources it has and of processes we are.
const AT_ONCE_A_HOST: usize = 4;
const NEXT_PLACE: Duration = Duration::from_secs(5);

/// A place among those that talk to this host; give it up with [`crate::turns::release`].
pub(crate) async fn place(
    app: &App,
    source: &SourceRow,
    cx: &JobContext,
    hold: Duration,
) -> Result<Lock, JobError> {
    for place in 0..AT_ONCE_A_HOST {
        let name = format!("place {place} at {}", host_of(source));
        match crate::turns::take(app, &name, cx, hold).await {
            Err(JobError::Snooze { .. }) => {}
            taken => return taken,
        }
    }
    Err(JobError::Snooze {
        after: NEXT_PLACE,
        reason: format!("{AT_ONCE_A_HOST} other jobs are at {}", host_of(source)),
    })
}

fn host_of(source: &SourceRow) -> String {
    match source.kind {
        SourceKind::Folder => source.folder.clone(),
        SourceKind::Https => source.url.split('/').nth(2).unwrap_or_default().to_owned(),
        SourceKind::Sftp | SourceKind::Upload => format!("{}:{}", source.host, source.port),
    }
}

/// Stages that nobody came back for are thrown away after this long.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where a file is put together: the same place for the same name, size and time; for one attempt alone, when it is
/// given.
pub(crate) async fn stage(
    app: &App,
    source: &SourceRow,
    file: &RemoteFile,
    attempt: Option<&JobContext>,
) -> std::io::Result<PathBuf> {
    let folder = app.staging.clone();
    let whose = attempt.map(|cx| (cx.id, cx.attempt));
    let what = format!("{} {} {:?} {whose:?}", file.name, file.bytes, file.modified);
    let digest = blake3::hash(what.as_bytes()).to_hex();
    let path = folder.join(format!("{}-{}.part", source.id, &digest[..16]));
    tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let old = entry.metadata().and_then(|meta| meta.modified());
            let old = old.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FORGOTTEN));
            if old && std::fs::remove_file(entry.path()).is_err() {
                tracing::debug!(path = %entry.path().display(), "an old stage cannot be removed");
            }
        }
        Ok(())
    })
    .await
    .unwrap_or_else(|ended| Err(std::io::Error::other(ended)))?;
    Ok(path)
}

/// libssh2 blocks: its calls stay off the worker's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PartnerError> + Send + 'static,
) -> Result<T, PartnerError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|ended| {
            Err(PartnerError {
                kind: ErrorKind::Unavailable,
                operation: "talk to",
                target: "the drop".to_owned(),
                message: ended.to_string(),
                retry_after: None,
            })
        })
}
