//! The way to a drop, whatever kind it is.

use crate::folder::Folder;
use crate::sftp::SftpClient;
use crate::{Arrived, PartnerError, RemoteFile, SftpSettings};
use std::path::Path;

#[derive(Clone, Debug)]
pub enum Way {
    Sftp(SftpSettings),
    /// Of this machine, or mounted.
    Folder,
}

/// A drop that answers. Calls block.
pub enum Opened {
    Sftp(SftpClient),
    Folder(Folder),
}

macro_rules! either {
    ($opened:expr, $drop:ident => $call:expr) => {
        match $opened {
            Opened::Sftp($drop) => $call,
            Opened::Folder($drop) => $call,
        }
    };
}

impl Way {
    pub fn open(&self) -> Result<Opened, PartnerError> {
        Ok(match self {
            Self::Sftp(settings) => Opened::Sftp(SftpClient::connect(settings)?),
            Self::Folder => Opened::Folder(Folder),
        })
    }
}

impl Opened {
    /// Plain files that match the pattern, by name, and names that could lead elsewhere.
    pub fn list(
        &self,
        folder: &str,
        pattern: &str,
    ) -> Result<(Vec<RemoteFile>, Vec<String>), PartnerError> {
        either!(self, drop => drop.list(folder, pattern))
    }

    pub fn fetch(
        &self,
        folder: &str,
        file: &RemoteFile,
        stage: &Path,
    ) -> Result<Arrived, PartnerError> {
        either!(self, drop => drop.fetch(folder, file, stage))
    }

    /// One plain file as it is now, if it is there.
    pub fn look(&self, folder: &str, name: &str) -> Result<Option<RemoteFile>, PartnerError> {
        either!(self, drop => drop.look(folder, name))
    }

    pub fn delete(&self, folder: &str, name: &str) -> Result<(), PartnerError> {
        either!(self, drop => drop.delete(folder, name))
    }

    /// Into a folder that is made when it is not there, under a name; what has it there already is replaced.
    pub fn move_to(
        &self,
        folder: &str,
        name: &str,
        other: &str,
        to: &str,
    ) -> Result<(), PartnerError> {
        either!(self, drop => drop.move_to(folder, name, other, to))
    }

    /// A reader sees the whole file or none; the folder is made when it is not there.
    pub fn put(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), PartnerError> {
        if let Self::Sftp(drop) = self {
            drop.make_folder(folder)?;
        }
        either!(self, drop => drop.put(folder, name, bytes))
    }
}
