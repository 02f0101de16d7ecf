//! A dealer's SFTP drop, by libssh2. Blocking: call it on the blocking pool.
//!
//! The host key is pinned: a server with another key is never sent a password.

use crate::{ErrorKind, PartnerError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use domain::file_name;
use secrecy::{ExposeSecret, SecretString};
use ssh2::{ErrorCode, HashType, Session, Sftp};
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct SftpSettings {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub login: SftpLogin,
    /// `SHA256:…`, as `ssh-keyscan | ssh-keygen -lf -` prints it.
    pub host_key: String,
    /// For any one exchange with the server.
    pub answer: Duration,
}

#[derive(Clone, Debug)]
pub enum SftpLogin {
    Password(SecretString),
    /// A private key in OpenSSH's or PEM form, without a passphrase.
    Key(SecretString),
}

/// What came of fetching a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    Whole,
    /// It is another by now than the one that was listed: look again later.
    Changed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub name: String,
    pub bytes: u64,
    /// Seconds since 1970, as the server says.
    pub modified: Option<i64>,
}

/// Stock is what the newest file says: whatever its name, it is loaded last.
pub(crate) fn oldest_first(a: &RemoteFile, b: &RemoteFile) -> std::cmp::Ordering {
    (a.modified, &a.name).cmp(&(b.modified, &b.name))
}

/// `LIBSSH2_ERROR_FILE`: how ssh2 says that a folder has no more entries.
const NO_MORE_FILES: ErrorCode = ErrorCode::Session(-16);
const CONNECT: Duration = Duration::from_secs(10);
/// Of one name, tried in turn.
const MOST_ADDRESSES: usize = 4;
/// A server that takes longer for one exchange hangs.
pub const ANSWER: Duration = Duration::from_secs(30);
/// Read and written at once.
const CHUNK: usize = 256 * 1024;
/// A file larger than this is not an inventory file.
pub const LARGEST_FILE: u64 = 4 * 1024 * 1024 * 1024;
/// A folder with more entries than this is not a drop.
pub(crate) const MOST_FILES: usize = 100_000;

pub struct SftpClient {
    sftp: Sftp,
    target: String,
}

impl SftpClient {
    pub fn connect(settings: &SftpSettings) -> Result<Self, PartnerError> {
        let (session, target) = shake_hands(&settings.host, settings.port, settings.answer)?;
        check_host_key(&session, settings, &target)?;
        match &settings.login {
            SftpLogin::Password(password) => {
                password_login(&session, &settings.username, password.expose_secret())
            }
            SftpLogin::Key(key) => {
                session.userauth_pubkey_memory(&settings.username, None, key.expose_secret(), None)
            }
        }
        .map_err(|e| failed("log in to", &target, &e))?;
        let sftp = session
            .sftp()
            .map_err(|e| failed("open sftp on", &target, &e))?;
        Ok(Self { sftp, target })
    }

    /// Plain files of a folder that match the pattern, by name. A name that could lead elsewhere
    /// is left out and returned apart, for an alert.
    pub fn list(
        &self,
        folder: &str,
        pattern: &str,
    ) -> Result<(Vec<RemoteFile>, Vec<String>), PartnerError> {
        let entries = self.entries(folder)?;
        let (mut files, mut unsafe_names) = (Vec::new(), Vec::new());
        for (path, stat) in entries {
            let Some(name) = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
            else {
                continue;
            };
            // `lstat` semantics: a link is not a plain file, wherever it points.
            if !stat.is_file() {
                continue;
            }
            if !file_name::is_safe(&name) {
                unsafe_names.push(name);
            } else if file_name::matches(pattern, &name) {
                files.push(RemoteFile {
                    name,
                    bytes: stat.size.unwrap_or(0),
                    modified: stat.mtime.and_then(|t| i64::try_from(t).ok()),
                });
            }
        }
        files.sort_by(oldest_first);
        Ok((files, unsafe_names))
    }

    /// No more than a drop may have, however many the server goes on to name.
    fn entries(&self, folder: &str) -> Result<Vec<(PathBuf, ssh2::FileStat)>, PartnerError> {
        let target = format!("{}{folder}", self.target);
        let mut open = self
            .sftp
            .opendir(Path::new(folder))
            .map_err(|e| failed("list", &target, &e))?;
        let mut entries = Vec::new();
        loop {
            match open.readdir() {
                Ok(entry) => entries.push(entry),
                Err(end) if end.code() == NO_MORE_FILES => return Ok(entries),
                Err(e) => return Err(failed("list", &target, &e)),
            }
            if entries.len() > MOST_FILES {
                let message = format!("more entries than the {MOST_FILES} a drop may have");
                return Err(error(ErrorKind::Corrupt, "list", &self.target, &message));
            }
        }
    }

    /// Appends what `stage` does not hold yet: a fetch that was cut goes on where it stopped. The file on the
    /// server is looked at again afterwards.
    pub fn fetch(
        &self,
        folder: &str,
        file: &RemoteFile,
        stage: &Path,
    ) -> Result<Arrived, PartnerError> {
        let target = format!("{}{folder}/{}", self.target, file.name);
        if file.bytes > LARGEST_FILE {
            let message = format!("{} bytes, a file may have {LARGEST_FILE}", file.bytes);
            return Err(error(ErrorKind::Corrupt, "fetch", &target, &message));
        }
        let ours = |e: std::io::Error| {
            let message = format!("{}: {e}", stage.display());
            error(ErrorKind::Refused, "stage", &target, &message)
        };
        let mut kept = OpenOptions::new()
            .create(true)
            .append(true)
            .open(stage)
            .map_err(ours)?;
        if let Err(held) = kept.try_lock() {
            let message = format!("{}: another process fetches it: {held}", stage.display());
            return Err(error(ErrorKind::Corrupt, "stage", &target, &message));
        }
        let mut have = kept.metadata().map_err(ours)?.len();
        if have > file.bytes {
            kept.set_len(0).map_err(ours)?;
            have = 0;
        }
        let path = Path::new(folder).join(&file.name);
        let mut remote = self
            .sftp
            .open(&path)
            .map_err(|e| failed("open", &target, &e))?;
        remote
            .seek(SeekFrom::Start(have))
            .map_err(|e| cut("fetch", &target, &e))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = remote
                .read(&mut chunk)
                .map_err(|e| cut("fetch", &target, &e))?;
            have += u64::try_from(count).unwrap_or(u64::MAX);
            if count == 0 || have > file.bytes {
                break;
            }
            kept.write_all(&chunk[..count]).map_err(ours)?;
        }
        kept.sync_all().map_err(ours)?;
        let same = have == file.bytes
            && self
                .look(folder, &file.name)?
                .is_some_and(|now| now == *file);
        Ok(if same {
            Arrived::Whole
        } else {
            Arrived::Changed
        })
    }

    /// One plain file as it is now, if it is there.
    pub fn look(&self, folder: &str, name: &str) -> Result<Option<RemoteFile>, PartnerError> {
        let target = format!("{}{folder}/{name}", self.target);
        match self.sftp.lstat(&Path::new(folder).join(name)) {
            Ok(stat) if stat.is_file() => Ok(Some(RemoteFile {
                name: name.to_owned(),
                bytes: stat.size.unwrap_or(0),
                modified: stat.mtime.and_then(|t| i64::try_from(t).ok()),
            })),
            Ok(_) => Ok(None),
            Err(e) => match failed("look at", &target, &e) {
                gone if gone.kind == ErrorKind::NotFound => Ok(None),
                other => Err(other),
            },
        }
    }

    pub fn delete(&self, folder: &str, name: &str) -> Result<(), PartnerError> {
        let target = format!("{}{folder}/{name}", self.target);
        self.sftp
            .unlink(&Path::new(folder).join(name))
            .map_err(|e| failed("delete", &target, &e))
    }

    /// Into a folder that is made when it is not there; what has the name there already is replaced.
    pub fn move_to(
        &self,
        folder: &str,
        name: &str,
        other: &str,
        to: &str,
    ) -> Result<(), PartnerError> {
        self.make_folder(other)?;
        let target = format!("{}{folder}/{name}", self.target);
        let to = Path::new(other).join(to);
        let from = Path::new(folder).join(name);
        if self.sftp.rename(&from, &to, None).is_ok() {
            return Ok(());
        }
        // SFTP version 3 does not rename over an existing file; that file must be another than ours.
        let real = |path: &Path| self.sftp.realpath(path).ok();
        if real(&from).is_some() && real(&from) != real(&to) {
            let _ = self.sftp.unlink(&to);
        }
        self.sftp
            .rename(&from, &to, None)
            .map_err(|e| failed("move", &target, &e))
    }

    /// Written aside and renamed: a reader sees the whole file or none. An existing file of the
    /// name is replaced.
    pub fn put(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), PartnerError> {
        let target = format!("{}{folder}/{name}", self.target);
        if !file_name::is_safe(name) {
            return Err(error(
                ErrorKind::Refused,
                "put",
                &target,
                "not a safe file name",
            ));
        }
        let (part, path) = (
            Path::new(folder).join(format!(".{name}.part")),
            Path::new(folder).join(name),
        );
        let mut remote = self
            .sftp
            .create(&part)
            .map_err(|e| failed("create", &target, &e))?;
        remote
            .write_all(bytes)
            .and_then(|()| remote.flush())
            .map_err(|e| error(ErrorKind::Unavailable, "write", &target, &e.to_string()))?;
        remote.close().map_err(|e| failed("close", &target, &e))?;
        // SFTP version 3 does not rename over an existing file.
        let _ = self.sftp.unlink(&path);
        self.sftp
            .rename(&part, &path, None)
            .map_err(|e| failed("rename", &target, &e))
    }

    pub fn make_folder(&self, folder: &str) -> Result<(), PartnerError> {
        if self.sftp.stat(Path::new(folder)).is_ok() {
            return Ok(());
        }
        self.sftp
            .mkdir(Path::new(folder), 0o755)
            .map_err(|e| failed("make folder", &format!("{}{folder}", self.target), &e))
    }
}

/// The key a host shows, as it is pinned; nobody logs in.
pub fn host_key(host: &str, port: u16) -> Result<String, PartnerError> {
    shake_hands(host, port, ANSWER).map(|(session, _)| shown_key(&session))
}

/// As a password; where a server takes none as such, as the answer to its questions (RFC 4256), as many servers ask for it.
fn password_login(session: &Session, user: &str, password: &str) -> Result<(), ssh2::Error> {
    let methods = session.auth_methods(user).unwrap_or_default().to_owned();
    let asks = |method: &str| methods.split(',').any(|word| word == method);
    if asks("keyboard-interactive") && !asks("password") {
        return session.userauth_keyboard_interactive(user, &mut Answers(password));
    }
    session.userauth_password(user, password)
}

/// The same to each question that is not to be shown; to the others nothing.
struct Answers<'a>(&'a str);

impl ssh2::KeyboardInteractivePrompt for Answers<'_> {
    fn prompt<'a>(&mut self, _: &str, _: &str, prompts: &[ssh2::Prompt<'a>]) -> Vec<String> {
        let answer = |prompt: &ssh2::Prompt<'a>| match prompt.echo {
            true => String::new(),
            false => self.0.to_owned(),
        };
        prompts.iter().map(answer).collect()
    }
}

fn shown_key(session: &Session) -> String {
    session
        .host_key_hash(HashType::Sha256)
        .map(|hash| format!("SHA256:{}", STANDARD_NO_PAD.encode(hash)))
        .unwrap_or_default()
}

fn shake_hands(host: &str, port: u16, answer: Duration) -> Result<(Session, String), PartnerError> {
    let target = format!("{host}:{port}");
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|e| error(ErrorKind::Unavailable, "find host", &target, &e.to_string()))?;
    // A name may have an address of a kind that this machine has no way to.
    let (mut connected, mut problem) = (None, "no address".to_owned());
    for address in addresses.take(MOST_ADDRESSES) {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(e) => problem = format!("{address}: {e}"),
        }
    }
    let stream =
        connected.ok_or_else(|| error(ErrorKind::Unavailable, "connect to", &target, &problem))?;
    let mut session = Session::new().map_err(|e| {
        error(
            ErrorKind::Unavailable,
            "open session with",
            &target,
            e.message(),
        )
    })?;
    session.set_timeout(u32::try_from(answer.as_millis()).unwrap_or(u32::MAX));
    session.set_tcp_stream(stream);
    session
        .handshake()
        .map_err(|e| failed("shake hands with", &target, &e))?;
    Ok((session, target))
}

fn check_host_key(
    session: &Session,
    settings: &SftpSettings,
    target: &str,
) -> Result<(), PartnerError> {
    let found = shown_key(session);
    if found == settings.host_key {
        return Ok(());
    }
    let message = format!("its host key is {found}, pinned is {}", settings.host_key);
    Err(error(ErrorKind::Denied, "trust", target, &message))
}

fn error(kind: ErrorKind, operation: &'static str, target: &str, message: &str) -> PartnerError {
    PartnerError::new(kind, operation, target, message)
}

fn cut(operation: &'static str, target: &str, failure: &std::io::Error) -> PartnerError {
    let kind = match failure.kind() {
        std::io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        _ => ErrorKind::Unavailable,
    };
    error(kind, operation, target, &failure.to_string())
}

fn failed(operation: &'static str, target: &str, failure: &ssh2::Error) -> PartnerError {
    use ssh2::ErrorCode::{SFTP, Session};
    let kind = match failure.code() {
        SFTP(2) => ErrorKind::NotFound,
        SFTP(3) | Session(-18) => ErrorKind::Denied,
        Session(-9 | -23) => ErrorKind::TimedOut,
        _ => ErrorKind::Unavailable,
    };
    error(kind, operation, target, failure.message())
}
