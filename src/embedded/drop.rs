//! The SFTP drop: where dealers put their files, over one folder.
//!
//! Untrusted on the other side: `..` is clamped to the root, links are not followed out of it,
//! a read or a listing is bounded, and rename never replaces.

use crate::{EmbeddedError, io, secret_file};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode, Version,
};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
pub struct DropSettings {
    pub root: PathBuf,
    /// Where the host key's seed is kept.
    pub host_key: PathBuf,
    /// 0 for any free port.
    pub port: u16,
    pub username: String,
    pub password: String,
}

/// Dropping it stops listening.
#[derive(Debug)]
pub struct SftpDrop {
    pub port: u16,
    /// `SHA256:…`, as OpenSSH prints it; sources pin it.
    pub fingerprint: String,
    accepting: JoinHandle<()>,
}

impl SftpDrop {
    pub async fn start(settings: &DropSettings) -> Result<Self, EmbeddedError> {
        std::fs::create_dir_all(&settings.root).map_err(io("make drop", &settings.root))?;
        let root = settings
            .root
            .canonicalize()
            .map_err(io("find drop", &settings.root))?;
        let seed = secret_file(&settings.host_key)?;
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(server::Config {
            keys: vec![key],
            auth_rejection_time: Duration::from_millis(300),
            auth_rejection_time_initial: Some(Duration::ZERO),
            inactivity_timeout: Some(Duration::from_secs(120)),
            nodelay: true,
            ..server::Config::default()
        });
        let listener = TcpListener::bind(("127.0.0.1", settings.port))
            .await
            .map_err(io(
                "listen for sftp",
                format!("127.0.0.1:{}", settings.port),
            ))?;
        let port = listener
            .local_addr()
            .map_err(io("listen for sftp", "address"))?
            .port();
        let session = Ssh {
            root,
            username: settings.username.clone(),
            password: settings.password.clone(),
            channels: HashMap::new(),
        };
        let accepting = tokio::spawn(async move {
            // Connections end with the server.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (config, session) = (config.clone(), session.fresh());
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    // A client that hangs up ends its own session only.
                    if let Ok(running) = server::run_stream(config, stream, session).await {
                        let _ = running.await;
                    }
                });
            }
        });
        Ok(Self {
            port,
            fingerprint,
            accepting,
        })
    }
}

impl Drop for SftpDrop {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Ssh {
    root: PathBuf,
    username: String,
    password: String,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Ssh {
    fn fresh(&self) -> Self {
        Self {
            root: self.root.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            channels: HashMap::new(),
        }
    }
}

impl server::Handler for Ssh {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let same = user == self.username
            && password.len() == self.password.len()
            && password
                .bytes()
                .zip(self.password.bytes())
                .fold(0, |differs, (a, b)| differs | (a ^ b))
                == 0;
        Ok(if same { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match (name, self.channels.remove(&id)) {
            ("sftp", Some(channel)) => {
                session.channel_success(id)?;
                let files = Files {
                    root: self.root.clone(),
                    open: HashMap::new(),
                    next: 0,
                };
                russh_sftp::server::run(channel.into_stream(), files).await;
            }
            _ => session.channel_failure(id)?,
        }
        Ok(())
    }
}

enum Open {
    File(fs::File),
    Folder(Option<Vec<File>>),
}

struct Files {
    root: PathBuf,
    open: HashMap<String, Open>,
    next: u64,
}

/// Handles one session may hold.
const OPEN_AT_ONCE: usize = 64;
const LARGEST_READ: u32 = 256 * 1024;

impl Files {
    /// Where a client's path leads: `..` never climbs out, and what exists must lie inside.
    async fn place(&self, path: &str) -> Result<PathBuf, StatusCode> {
        let mut place = self.root.clone();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => place.push(name),
                Component::ParentDir if place != self.root => {
                    place.pop();
                }
                _ => {}
            }
        }
        // A link inside the folder may still point out of it.
        let existing = place
            .ancestors()
            .find(|ancestor| ancestor.symlink_metadata().is_ok())
            .unwrap_or(&self.root);
        let real = fs::canonicalize(existing).await.map_err(status)?;
        if real.starts_with(&self.root) {
            Ok(place)
        } else {
            Err(StatusCode::PermissionDenied)
        }
    }

    fn keep(&mut self, open: Open) -> Result<String, StatusCode> {
        if self.open.len() >= OPEN_AT_ONCE {
            return Err(StatusCode::Failure);
        }
        self.next += 1;
        let handle = self.next.to_string();
        self.open.insert(handle.clone(), open);
        Ok(handle)
    }

    fn file(&mut self, handle: &str) -> Result<&mut fs::File, StatusCode> {
        match self.open.get_mut(handle) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(StatusCode::Failure),
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "used as a function for map_err"
)]
fn status(error: std::io::Error) -> StatusCode {
    match error.kind() {
        std::io::ErrorKind::NotFound => StatusCode::NoSuchFile,
        std::io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Ok".to_owned(),
        language_tag: "en-US".to_owned(),
    }
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Result<Version, StatusCode> {
        Ok(Version::new())
    }

    async fn open(
        &mut self,
        id: u32,
        name: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        let place = self.place(&name).await?;
        let file = fs::OpenOptions::new()
            .read(flags.contains(OpenFlags::READ))
            .write(flags.contains(OpenFlags::WRITE))
            .create(flags.contains(OpenFlags::CREATE))
            .truncate(flags.contains(OpenFlags::TRUNCATE))
            .append(flags.contains(OpenFlags::APPEND))
            .open(place)
            .await
            .map_err(status)?;
        let handle = self.keep(Open::File(file))?;
        Ok(Handle { id, handle })
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        if let Some(Open::File(mut file)) = self.open.remove(&handle) {
            file.flush().await.map_err(status)?;
        }
        Ok(done(id))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, StatusCode> {
        let file = self.file(&handle)?;
        file.seek(std::io::SeekFrom::Start(offset))
            .await
            .map_err(status)?;
        let mut data = Vec::new();
        file.take(u64::from(len.min(LARGEST_READ)))
            .read_to_end(&mut data)
            .await
            .map_err(status)?;
        if data.is_empty() {
            return Err(StatusCode::Eof);
        }
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, StatusCode> {
        let file = self.file(&handle)?;
        file.seek(std::io::SeekFrom::Start(offset))
            .await
            .map_err(status)?;
        file.write_all(&data).await.map_err(status)?;
        file.flush().await.map_err(status)?;
        Ok(done(id))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let meta = fs::metadata(self.place(&path).await?)
            .await
            .map_err(status)?;
        Ok(Attrs {
            id,
            attrs: FileAttributes::from(&meta),
        })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let meta = fs::symlink_metadata(self.place(&path).await?)
            .await
            .map_err(status)?;
        Ok(Attrs {
            id,
            attrs: FileAttributes::from(&meta),
        })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        let meta = self.file(&handle)?.metadata().await.map_err(status)?;
        Ok(Attrs {
            id,
            attrs: FileAttributes::from(&meta),
        })
    }

    async fn setstat(
        &mut self,
        id: u32,
        _: String,
        _: FileAttributes,
    ) -> Result<Status, StatusCode> {
        Ok(done(id))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        _: String,
        _: FileAttributes,
    ) -> Result<Status, StatusCode> {
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        let mut entries = fs::read_dir(self.place(&path).await?)
            .await
            .map_err(status)?;
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(status)? {
            if let Ok(meta) = entry.metadata().await {
                files.push(File::new(
                    entry.file_name().to_string_lossy(),
                    FileAttributes::from(&meta),
                ));
            }
        }
        let handle = self.keep(Open::Folder(Some(files)))?;
        Ok(Handle { id, handle })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        match self.open.get_mut(&handle) {
            Some(Open::Folder(files)) => files
                .take()
                .map(|files| Name { id, files })
                .ok_or(StatusCode::Eof),
            _ => Err(StatusCode::Failure),
        }
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        let (from, to) = (self.place(&from).await?, self.place(&to).await?);
        if fs::symlink_metadata(&to).await.is_ok() {
            return Err(StatusCode::Failure);
        }
        fs::rename(from, to).await.map_err(status)?;
        Ok(done(id))
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        fs::remove_file(self.place(&path).await?)
            .await
            .map_err(status)?;
        Ok(done(id))
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        _: FileAttributes,
    ) -> Result<Status, StatusCode> {
        fs::create_dir(self.place(&path).await?)
            .await
            .map_err(status)?;
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        fs::remove_dir(self.place(&path).await?)
            .await
            .map_err(status)?;
        Ok(done(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        let place = self.place(&path).await?;
        let inside = place.strip_prefix(&self.root).unwrap_or(Path::new(""));
        Ok(Name {
            id,
            files: vec![File::dummy(format!("/{}", inside.display()))],
        })
    }
}
