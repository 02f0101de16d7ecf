//! A drop that is a folder of this machine, or one that is mounted: the same terms as over SFTP.

use crate::sftp::{LARGEST_FILE, MOST_FILES};
use crate::{Arrived, ErrorKind, PartnerError, RemoteFile};
use domain::file_name;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub struct Folder;

impl Folder {
    /// Plain files that match the pattern, by name, and names that could lead elsewhere.
    pub fn list(
        &self,
        folder: &str,
        pattern: &str,
    ) -> Result<(Vec<RemoteFile>, Vec<String>), PartnerError> {
        let failed = |e: io::Error| failed("list", folder, &e);
        let (mut files, mut unsafe_names) = (Vec::new(), Vec::new());
        for (place, entry) in fs::read_dir(folder).map_err(failed)?.enumerate() {
            if place >= MOST_FILES {
                let message = format!("more than {MOST_FILES} entries");
                return Err(error(ErrorKind::Corrupt, "list", folder, message));
            }
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Of the entry itself: a link is not a plain file, wherever it points.
            let meta = entry.metadata().map_err(failed)?;
            if !meta.is_file() {
                continue;
            }
            if !file_name::is_safe(&name) {
                unsafe_names.push(name);
            } else if file_name::matches(pattern, &name) {
                files.push(remote(name, &meta));
            }
        }
        files.sort_by(crate::sftp::oldest_first);
        Ok((files, unsafe_names))
    }

    /// Copied to `stage`; the file is looked at again afterwards.
    pub fn fetch(
        &self,
        folder: &str,
        file: &RemoteFile,
        stage: &Path,
    ) -> Result<Arrived, PartnerError> {
        let path = place(folder, &file.name)?;
        if file.bytes > LARGEST_FILE {
            let message = format!("{} bytes, a file may have {LARGEST_FILE}", file.bytes);
            return Err(error(ErrorKind::Corrupt, "fetch", &file.name, message));
        }
        // A link is not followed, a pipe not waited for, wherever either came from since the list was read.
        let open = || {
            let mut plain = fs::OpenOptions::new();
            plain.read(true);
            plain.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            plain.open(&path)
        };
        let opened = open().map_err(|e| failed("fetch", &file.name, &e))?;
        let meta = opened
            .metadata()
            .map_err(|e| failed("fetch", &file.name, &e))?;
        if !meta.is_file() || remote(file.name.clone(), &meta) != *file {
            return Ok(Arrived::Changed);
        }
        let copy = || -> io::Result<u64> {
            let mut from = io::Read::take(&opened, file.bytes + 1);
            let mut kept = File::create(stage)?;
            let count = io::copy(&mut from, &mut kept)?;
            kept.sync_all()?;
            Ok(count)
        };
        let count = copy().map_err(|e| failed("fetch", &file.name, &e))?;
        let same = count == file.bytes
            && self
                .look(folder, &file.name)?
                .is_some_and(|now| now == *file);
        Ok(if same {
            Arrived::Whole
        } else {
            Arrived::Changed
        })
    }

    pub fn look(&self, folder: &str, name: &str) -> Result<Option<RemoteFile>, PartnerError> {
        match fs::symlink_metadata(place(folder, name)?) {
            Ok(meta) if meta.is_file() => Ok(Some(remote(name.to_owned(), &meta))),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("look at", name, &e)),
        }
    }

    pub fn delete(&self, folder: &str, name: &str) -> Result<(), PartnerError> {
        fs::remove_file(place(folder, name)?).map_err(|e| failed("delete", name, &e))
    }

    /// Into a folder of the same disk, made when it is not there; what has the name there already is replaced.
    pub fn move_to(
        &self,
        folder: &str,
        name: &str,
        other: &str,
        to: &str,
    ) -> Result<(), PartnerError> {
        let (from, to) = (place(folder, name)?, place(other, to)?);
        fs::create_dir_all(other)
            .and_then(|()| fs::rename(from, to))
            .map_err(|e| failed("move", name, &e))
    }

    /// Written aside and renamed: a reader sees the whole file or none.
    pub fn put(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), PartnerError> {
        let path = place(folder, name)?;
        // Under a name that nobody knows before, so that nobody can lay a link there.
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut part = tempfile::Builder::new()
                .prefix(".part")
                .tempfile_in(folder)?;
            io::Write::write_all(&mut part, bytes)?;
            let readable = fs::Permissions::from_mode(0o644);
            part.as_file().set_permissions(readable)?;
            part.persist(&path)?;
            Ok(())
        };
        write().map_err(|e| failed("put", name, &e))
    }
}

fn remote(name: String, meta: &Metadata) -> RemoteFile {
    let modified = meta.modified().ok();
    let modified = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    RemoteFile {
        name,
        bytes: meta.len(),
        modified: modified.and_then(|since| i64::try_from(since.as_secs()).ok()),
    }
}

fn place(folder: &str, name: &str) -> Result<PathBuf, PartnerError> {
    if !file_name::is_safe(name) || !Path::new(folder).is_absolute() {
        let message = "not a safe file name in a folder from the root".to_owned();
        return Err(error(ErrorKind::Refused, "name", name, message));
    }
    Ok(Path::new(folder).join(name))
}

fn failed(operation: &'static str, target: &str, e: &io::Error) -> PartnerError {
    let kind = match e.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    error(kind, operation, target, e.to_string())
}

fn error(kind: ErrorKind, operation: &'static str, target: &str, message: String) -> PartnerError {
    PartnerError::new(kind, operation, target, message)
}
