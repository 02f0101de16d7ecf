//! Raw files: kept once by their digest in object storage, and read again from a disk of ours. Flat memory, whatever
//! the size.

use crate::App;
use crate::gates::judged;
use ingest::Text;
use partners::{ErrorKind, PartnerError};
use queue::JobError;
use std::io::Write;
use std::path::Path;
use stores::{Files, PgConnection, SourceFile};
use tokio::io::AsyncReadExt;

/// A file as it lies in object storage.
#[derive(Clone, Debug)]
pub struct Raw {
    /// BLAKE3, in hexadecimal.
    pub digest: String,
    pub bytes: i64,
    pub object_key: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RawError {
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Objects(#[from] PartnerError),
    #[error(transparent)]
    Store(#[from] stores::StoreError),
    #[error("{0} changed while it was read")]
    Changed(String),
}

impl RawError {
    pub(crate) fn judged(self) -> JobError {
        match self {
            Self::Disk(error) => error.into(),
            Self::Objects(error) => judged(error),
            other => other.into(),
        }
    }
}

const FOLDER: &str = "raw/";

/// Whether the object is a file's raw copy.
pub(crate) fn is_raw(object_key: &str) -> bool {
    object_key.starts_with(FOLDER)
}

/// Sent to object storage at once.
const CHUNK: usize = 1024 * 1024;

/// Keeps a file's bytes, if nobody has kept the same before.
pub async fn keep(app: &App, path: &Path) -> Result<Raw, RawError> {
    let (digest, bytes) = digest_of(path).await?;
    let raw = Raw {
        object_key: format!("{FOLDER}{digest}"),
        digest,
        bytes,
    };
    if !app.objects.exists(&raw.object_key).await? {
        send(app, path, &raw).await?;
    }
    Ok(raw)
}

/// In the transaction that names the object: it is there, and stays there until that ends.
pub async fn still_kept(
    tx: &mut PgConnection,
    app: &App,
    path: &Path,
    raw: &Raw,
) -> Result<(), RawError> {
    Files::hold_raw(tx, &raw.object_key).await?;
    if !app.objects.exists(&raw.object_key).await? {
        send(app, path, raw).await?;
    }
    Ok(())
}

/// The bytes of a file seen before, on disk; another digest than the ledger's is refused.
pub(crate) async fn open(app: &App, file: &SourceFile) -> Result<Text, JobError> {
    tokio::fs::create_dir_all(&app.staging).await?;
    // Written on a thread of its own: a disk that is slow holds up no other job.
    let (sender, mut arrived) = tokio::sync::mpsc::channel::<Vec<u8>>(8);
    let staging = app.staging.clone();
    let writing = tokio::task::spawn_blocking(move || -> std::io::Result<_> {
        let mut text = Text::on_disk(&staging)?;
        let mut hasher = blake3::Hasher::new();
        while let Some(chunk) = arrived.blocking_recv() {
            hasher.update(&chunk);
            text.write_all(&chunk)?;
        }
        Ok((text, hasher.finalize().to_hex()))
    });
    let mut chunks = app.objects.chunks(&file.object_key).await.map_err(judged)?;
    while let Some(chunk) = chunks.next().await.map_err(judged)? {
        // Nobody takes it any more: the disk refused, and says so below.
        if sender.send(chunk.as_ref().to_vec()).await.is_err() {
            break;
        }
    }
    drop(sender);
    let (text, digest) = writing.await??;
    if digest.as_str() != file.digest {
        return Err(judged(PartnerError {
            kind: ErrorKind::Corrupt,
            operation: "get object",
            target: file.object_key.clone(),
            message: format!(
                "its digest is {digest}, the file that arrived had {}",
                file.digest
            ),
            retry_after: None,
        }));
    }
    Ok(text)
}

async fn digest_of(path: &Path) -> std::io::Result<(String, i64)> {
    let path = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || -> std::io::Result<_> {
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        Ok((hasher.finalize().to_hex().to_string(), bytes))
    });
    let (digest, bytes) = hashed
        .await
        .unwrap_or_else(|ended| Err(std::io::Error::other(ended)))?;
    Ok((digest, i64::try_from(bytes).unwrap_or(i64::MAX)))
}

/// What is sent is what the name says, or nothing: the file may change under our hands.
async fn send(app: &App, path: &Path, raw: &Raw) -> Result<(), RawError> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut upload = app
        .objects
        .upload(&raw.object_key, "application/octet-stream")?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk).await?;
        if count == 0 && hasher.finalize().to_hex().as_str() == raw.digest {
            return Ok(upload.finish().await?);
        }
        if count == 0 {
            upload.abandon().await?;
            return Err(RawError::Changed(path.display().to_string()));
        }
        hasher.update(&chunk[..count]);
        if let Err(error) = upload.write(&chunk[..count]).await {
            upload.abandon().await?;
            return Err(error.into());
        }
    }
}
