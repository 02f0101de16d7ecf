//! OpenSSH's own server behind a line that can be cut or stand still: for tests of what a real drop does.
//!
//! Each connection has an `sshd -i` of its own, so that there is no daemon to wait for and none is left behind.

use crate::{EmbeddedError, io, private_dir, running_as_root};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Dropping it ends the listener and every line.
#[derive(Debug)]
pub struct Sshd {
    pub port: u16,
    pub username: String,
    /// `SHA256:…`, as sources pin it.
    pub fingerprint: String,
    /// What may log in, in OpenSSH's form.
    pub private_key: String,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    /// Bytes that went from the server to clients.
    carried: AtomicU64,
    /// When so many have, the line is cut.
    cut_at: AtomicU64,
    /// Instead of being cut it stands still.
    stands: AtomicBool,
    over: Mutex<bool>,
    ended: Condvar,
}

impl Sshd {
    /// Keeps its keys in `root`; clients see the whole machine as the user we are does.
    pub fn start(root: &Path) -> Result<Self, EmbeddedError> {
        private_dir(root)?;
        let (host, client) = (root.join("host"), root.join("client"));
        for key in [&host, &client] {
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(key))?;
        }
        let shown = run(Command::new("ssh-keygen").arg("-lf").arg(&host))?;
        let fingerprint = shown.split(' ').nth(1).unwrap_or_default().to_owned();
        let username = run(Command::new("id").arg("-un"))?.trim().to_owned();
        let read = |path: &Path| std::fs::read_to_string(path).map_err(io("read", path));
        let config = root.join("config");
        let settings = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n\
             PasswordAuthentication no\nUseDNS no\nMaxStartups 100\nSubsystem sftp internal-sftp\n",
            host.display(),
            root.join("client.pub").display()
        );
        std::fs::write(&config, settings).map_err(io("write", &config))?;
        if running_as_root() {
            // Where it gives up its rights; Debian makes it when its own server starts.
            let folder = PathBuf::from("/run/sshd");
            std::fs::create_dir_all(&folder).map_err(io("make", &folder))?;
        }
        let line = Arc::new(Line {
            carried: AtomicU64::new(0),
            cut_at: AtomicU64::new(u64::MAX),
            stands: AtomicBool::new(false),
            over: Mutex::new(false),
            ended: Condvar::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").map_err(io("listen for", "sshd"))?;
        let port = listener.local_addr().map_err(io("listen for", "sshd"))?;
        let private_key = read(&client)?;
        let accepted = line.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepted.is_over() {
                    return;
                }
                if let Ok(stream) = stream
                    && let Err(error) = serve(stream, &config, &accepted)
                {
                    tracing::warn!(%error, "sshd");
                }
            }
        });
        Ok(Self {
            port: port.port(),
            username,
            fingerprint,
            private_key,
            line,
        })
    }

    /// Bytes that went from the server to clients so far.
    pub fn carried(&self) -> u64 {
        self.line.carried.load(Ordering::SeqCst)
    }

    /// The same, for somebody who outlives this borrow.
    pub fn carrying(&self) -> impl Fn() -> u64 + Send + 'static {
        let line = self.line.clone();
        move || line.carried.load(Ordering::SeqCst)
    }

    /// Cuts the line when this many bytes more have gone to clients, or lets it stand still; `None` mends it.
    pub fn break_after(&self, more: Option<u64>, stands: bool) {
        let at = more.map_or(u64::MAX, |more| self.carried() + more);
        self.line.stands.store(stands, Ordering::SeqCst);
        self.line.cut_at.store(at, Ordering::SeqCst);
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        *self
            .line
            .over
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.line.ended.notify_all();
        // The listener looks whether it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Line {
    fn is_over(&self) -> bool {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand_still(&self) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            over = self
                .ended
                .wait(over)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn run(command: &mut Command) -> Result<String, EmbeddedError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(io("run", PathBuf::from(command.get_program())))?;
    if !output.status.success() {
        return Err(EmbeddedError::Program {
            program: "ssh-keygen",
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn serve(client: TcpStream, config: &Path, line: &Arc<Line>) -> std::io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs: OwnedFd = theirs.into();
    let mut server = Command::new("/usr/sbin/sshd")
        .args(["-i", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::from(theirs.try_clone()?))
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::null())
        .spawn()?;
    let (mut from_client, mut to_server) = (client.try_clone()?, ours.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let line = line.clone();
    std::thread::spawn(move || {
        let _ = carry(&ours, &client, &line);
        let _ = client.shutdown(Shutdown::Both);
        let _ = ours.shutdown(Shutdown::Both);
        let _ = server.wait();
    });
    Ok(())
}

fn carry(mut from: &UnixStream, mut to: &TcpStream, line: &Line) -> std::io::Result<()> {
    let mut chunk = [0; 16 * 1024];
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 || line.is_over() {
            return Ok(());
        }
        if line.carried.load(Ordering::SeqCst) >= line.cut_at.load(Ordering::SeqCst) {
            if line.stands.load(Ordering::SeqCst) {
                line.stand_still();
            }
            return Ok(());
        }
        line.carried
            .fetch_add(u64::try_from(count).unwrap_or(0), Ordering::SeqCst);
        to.write_all(&chunk[..count])?;
    }
}
