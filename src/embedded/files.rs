//! Directories and secrets that belong to us alone.

use crate::{EmbeddedError, io};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a directory only its owner can enter.
pub fn private_dir(path: &Path) -> Result<(), EmbeddedError> {
    fs::create_dir_all(path).map_err(io("make directory", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(io("close directory", path))
}

/// 32 random bytes, made once and kept in a file only its owner can read.
pub fn secret_file(path: &Path) -> Result<[u8; 32], EmbeddedError> {
    if let Ok(found) = fs::read(path)
        && let Ok(secret) = <[u8; 32]>::try_from(found.as_slice())
    {
        return Ok(secret);
    }
    let mut secret = [0u8; 32];
    let random = Path::new("/dev/urandom");
    fs::File::open(random)
        .and_then(|mut file| file.read_exact(&mut secret))
        .map_err(io("read random bytes", random))?;
    let part = path.with_extension("part");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&part)
        .map_err(io("make secret", &part))?;
    file.write_all(&secret)
        .and_then(|()| file.sync_all())
        .map_err(io("write secret", &part))?;
    fs::rename(&part, path).map_err(io("keep secret", path))?;
    Ok(secret)
}

/// A loopback port nobody listens on at this moment.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// As root, child servers that refuse root are run as another user.
pub fn running_as_root() -> bool {
    nix::unistd::geteuid().is_root()
}
