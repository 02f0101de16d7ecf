//! A source's drop, as jobs see it: its partner, its password, its listing and its files, every call through the
//! gate.

use crate::App;
use partners::sftp::SftpClient;
use partners::{ErrorKind, PartnerError, RemoteFile, SftpSettings, gate};
use queue::JobError;
use stores::SourceRow;

/// Each source is a partner of its own: its host may serve others well.
pub(crate) fn partner_of(source: &str) -> String {
    format!("sftp {source}")
}

pub(crate) fn settings(app: &App, source: &SourceRow) -> Result<SftpSettings, JobError> {
    let password = app
        .sealer
        .open(&SourceRow::purpose(&source.key), &source.secret())
        .map_err(|error| JobError::reject(&error))?;
    Ok(SftpSettings {
        host: source.host.clone(),
        port: u16::try_from(source.port).unwrap_or(22),
        username: source.username.clone(),
        password,
        host_key: source.host_key.clone(),
    })
}

/// Logs in and lists, and takes nothing.
pub(crate) async fn knock(
    app: &App,
    source: &SourceRow,
) -> Result<Result<(), PartnerError>, JobError> {
    let settings = settings(app, source)?;
    Ok(list(app, &settings, source).await.map(|_| ()))
}

pub(crate) async fn list(
    app: &App,
    settings: &SftpSettings,
    source: &SourceRow,
) -> Result<(Vec<RemoteFile>, Vec<String>), PartnerError> {
    gate::through(&*app.gate, &partner_of(&source.key), || {
        let (settings, folder) = (settings.clone(), source.folder.clone());
        let pattern = source.pattern.clone();
        blocking(move || SftpClient::connect(&settings)?.list(&folder, &pattern))
    })
    .await
}

pub(crate) async fn fetch(
    app: &App,
    settings: &SftpSettings,
    source: &SourceRow,
    file: &RemoteFile,
) -> Result<Vec<u8>, PartnerError> {
    gate::through(&*app.gate, &partner_of(&source.key), || {
        let (settings, folder, file) = (settings.clone(), source.folder.clone(), file.clone());
        blocking(move || SftpClient::connect(&settings)?.fetch(&folder, &file))
    })
    .await
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
