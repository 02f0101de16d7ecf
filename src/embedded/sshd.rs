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

/// How a server asks for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// RFC 4252's `password`.
    Password,
    /// `keyboard-interactive` alone (RFC 4256), as servers do that ask by PAM.
    Questions,
}

/// What its server runs by.
#[derive(Debug)]
struct Settings {
    config: PathBuf,
    /// Files that stand in the place of the machine's own for the server alone: who there is, and his password.
    accounts: Option<PathBuf>,
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

/// Who may log in with a password, and his hash (`openssl passwd -6`).
const DEALER: &str = "dealer";
const HASH: &str = "$6$forecourt$zHZu6AwgAsHk8wRkQnwCDhFrtRrM6iEdvkxvRiyUn4CR6JLyF2yFBk5TNe1cTYfQTh7SeIlUYFm8jKzigR3YX/";

impl Sshd {
    /// Of [`Sshd::asking`].
    pub const PASSWORD: &str = "stock of the night";

    /// Takes a password, and no key. `None` where we may not give a server accounts of its own: only root may, and not in every
    /// container.
    pub fn asking(root: &Path, asks: Asks) -> Result<Option<Self>, EmbeddedError> {
        let apart = Command::new("unshare").args(["--mount", "true"]).output();
        if !running_as_root() || !apart.is_ok_and(|tried| tried.status.success()) {
            return Ok(None);
        }
        private_dir(root)?;
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::write(&path, text).map_err(io("write", &path))
        };
        let known = Path::new("/etc/passwd");
        let known = std::fs::read_to_string(known).map_err(io("read", known))?;
        write("passwd", &format!("{known}{DEALER}:x:0:0::/:/bin/sh\n"))?;
        write(
            "shadow",
            &format!("root:*:1::::::\nsshd:*:1::::::\n{DEALER}:{HASH}:1::::::\n"),
        )?;
        write(
            "pam",
            "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n",
        )?;
        let (password, questions) = match asks {
            Asks::Password => ("yes", "no"),
            Asks::Questions => ("no", "yes"),
        };
        let more = format!(
            "UsePAM {questions}\nPasswordAuthentication {password}\nKbdInteractiveAuthentication {questions}\nPubkeyAuthentication no\n"
        );
        let mut sshd = Self::with(root, &more, Some(root.to_owned()))?;
        sshd.username = DEALER.to_owned();
        Ok(Some(sshd))
    }

    /// Keeps its keys in `root`; clients see the whole machine as the user we are does.
    pub fn start(root: &Path) -> Result<Self, EmbeddedError> {
        Self::with(root, "UsePAM no\nPasswordAuthentication no\n", None)
    }

    fn with(root: &Path, more: &str, accounts: Option<PathBuf>) -> Result<Self, EmbeddedError> {
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
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\nPermitRootLogin yes\n\
             UseDNS no\nMaxStartups 100\nSubsystem sftp internal-sftp\n{more}",
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
        let settings = Settings { config, accounts };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepted.is_over() {
                    return;
                }
                if let Ok(stream) = stream
                    && let Err(error) = serve(stream, &settings, &accepted)
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

/// Files of its own are bound over the machine's in a namespace that ends with the server.
const WITH_ACCOUNTS: &str = "mount --bind \"$1/passwd\" /etc/passwd && mount --bind \"$1/shadow\" /etc/shadow \
    && mount --bind \"$1/pam\" /etc/pam.d/sshd && shift && exec \"$@\"";

fn serve(client: TcpStream, settings: &Settings, line: &Arc<Line>) -> std::io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs: OwnedFd = theirs.into();
    const SSHD: &str = "/usr/sbin/sshd";
    let mut command = match &settings.accounts {
        None => Command::new(SSHD),
        Some(accounts) => {
            let mut apart = Command::new("unshare");
            apart.args(["--mount", "sh", "-c", WITH_ACCOUNTS, "sh"]);
            apart.arg(accounts).arg(SSHD);
            apart
        }
    };
    let mut server = command
        .args(["-i", "-e", "-f"])
        .arg(&settings.config)
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
