//! A private PostgreSQL server over the distribution's binaries.
//!
//! Socket only, in a directory nobody else can enter. Survives being killed at any moment: a
//! half-made cluster is made again, leftovers of an earlier run are stopped before
//! `postmaster.pid` is touched (removing it while one runs would remove PostgreSQL's own lock).
#![expect(
    clippy::disallowed_methods,
    reason = "a child process tells nobody when it is ready or gone: its pid file and status are polled"
)]

use crate::{EmbeddedError, io, private_dir};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, chown, geteuid};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct PostgresSettings {
    pub root: PathBuf,
    /// The folder with `initdb` and `postgres`; searched for when `None`.
    pub binaries: Option<PathBuf>,
    /// `fsync` on. Off only for tests, whose data nobody keeps.
    pub durable: bool,
    pub max_connections: u16,
}

/// Dropping it stops the server.
#[derive(Debug)]
pub struct PrivatePostgres {
    socket_dir: PathBuf,
    binaries: PathBuf,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<std::thread::JoinHandle<()>>,
    _lock: Flock<File>,
}

const READY_SECONDS: u64 = 60;

impl PrivatePostgres {
    pub fn start(settings: &PostgresSettings) -> Result<Self, EmbeddedError> {
        let binaries = match &settings.binaries {
            Some(path) => path.clone(),
            None => find_binaries()?,
        };
        let user = user_to_drop_to()?;
        let root = &settings.root;
        fs::create_dir_all(root).map_err(io("make directory", root))?;
        let lock = lock(root)?;
        let (data, socket_dir) = (root.join("data"), root.join("socket"));
        own(root, user)?;
        reachable(root, user)?;
        own(&socket_dir, user)?;
        if socket_dir.as_os_str().len() > 85 {
            return Err(EmbeddedError::PathTooLong { path: socket_dir });
        }
        if !data.join("PG_VERSION").exists() {
            make_cluster(&binaries, root, &data, user, settings.durable)?;
        }
        check_version(&binaries, &data, user)?;
        stop_leftovers(&data)?;
        let _ = fs::remove_file(data.join("postmaster.pid"));
        empty(&socket_dir)?;

        let command = server_command(&binaries, settings, &data, &socket_dir, user)?;
        let (stop, stopped) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let keeper_data = data.clone();
        let log = root.join("postgres.log");
        let keeper = std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || keep(command, &keeper_data, &log, &ready, &stopped))
            .map_err(io("start thread", "postgres-keeper"))?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok(Self {
                socket_dir,
                binaries,
                stop: Some(stop),
                keeper: Some(keeper),
                _lock: lock,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(EmbeddedError::Server(
                "the postgresql keeper ended".to_owned(),
            )),
        }
    }

    /// For the given database, as the server's superuser.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres:///{database}?host={}&user=postgres",
            self.socket_dir.display()
        )
    }

    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Makes the database unless it is there.
    pub fn ensure_database(&self, name: &str) -> Result<(), EmbeddedError> {
        let known = self.psql(
            "postgres",
            &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"),
        )?;
        if known.trim() != "1" {
            self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        }
        Ok(())
    }

    /// Runs SQL with the server's own client and returns what it prints, unaligned.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, EmbeddedError> {
        crate::testing::psql(&self.binaries, &self.socket_dir, database, &["-c", sql])
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

type RunAs = Option<(Uid, Gid)>;

fn find_binaries() -> Result<PathBuf, EmbeddedError> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, path)| path.join("initdb").exists() && path.join("postgres").exists())
        .collect();
    versions.sort();
    if let Some((_, path)) = versions.pop() {
        return Ok(path);
    }
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    asked
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        .filter(|path| path.join("initdb").exists())
        .ok_or(EmbeddedError::NoPostgres)
}

/// PostgreSQL refuses to run as root: as root we run it as `postgres`, else `nobody`.
fn user_to_drop_to() -> Result<RunAs, EmbeddedError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Some((user.uid, user.gid)))
        .ok_or(EmbeddedError::NoUser)
}

fn lock(root: &Path) -> Result<Flock<File>, EmbeddedError> {
    let path = root.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io("open lock", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| EmbeddedError::InUse {
        path: root.to_owned(),
    })
}

fn own(path: &Path, user: RunAs) -> Result<(), EmbeddedError> {
    private_dir(path)?;
    if let Some((uid, gid)) = user {
        chown(path, Some(uid), Some(gid)).map_err(|e| io("give directory away", path)(e.into()))?;
    }
    Ok(())
}

/// Every parent must be searchable by the user we drop to: root's home, for one, is not.
fn reachable(path: &Path, user: RunAs) -> Result<(), EmbeddedError> {
    let Some((uid, _)) = user else { return Ok(()) };
    for parent in path
        .ancestors()
        .skip(1)
        .filter(|p| !p.as_os_str().is_empty())
    {
        let meta = fs::metadata(parent).map_err(io("look at directory", parent))?;
        if meta.mode() & 0o001 == 0 && meta.uid() != uid.as_raw() {
            return Err(EmbeddedError::Unreachable {
                path: parent.to_owned(),
            });
        }
    }
    Ok(())
}

/// A clean environment: the caller's PG* variables must not leak in, and root's home is unreadable
/// after the drop.
fn command(program: &Path, user: RunAs) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some((uid, gid)) = user {
        command.gid(gid.as_raw()).uid(uid.as_raw());
    }
    command
}

fn make_cluster(
    binaries: &Path,
    root: &Path,
    data: &Path,
    user: RunAs,
    durable: bool,
) -> Result<(), EmbeddedError> {
    let half = root.join("data.init");
    let _ = fs::remove_dir_all(&half);
    let mut initdb = command(&binaries.join("initdb"), user);
    initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-k"]);
    initdb.args(["--auth-local=trust", "--auth-host=reject"]);
    if !durable {
        initdb.arg("--no-sync");
    }
    let output = initdb
        .arg("-D")
        .arg(&half)
        .output()
        .map_err(io("run initdb", binaries))?;
    if !output.status.success() {
        return Err(EmbeddedError::Program {
            program: "initdb",
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    fs::rename(&half, data).map_err(io("keep cluster", data))
}

fn check_version(binaries: &Path, data: &Path, user: RunAs) -> Result<(), EmbeddedError> {
    let path = data.join("PG_VERSION");
    let have = fs::read_to_string(&path).map_err(io("read version", &path))?;
    let have = have.trim().to_owned();
    let output = command(&binaries.join("postgres"), user)
        .arg("-V")
        .output()
        .map_err(io("run postgres -V", binaries))?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if found.contains(&format!(") {have}")) {
        Ok(())
    } else {
        Err(EmbeddedError::WrongVersion { have, found })
    }
}

fn server_command(
    binaries: &Path,
    settings: &PostgresSettings,
    data: &Path,
    socket_dir: &Path,
    user: RunAs,
) -> Result<Command, EmbeddedError> {
    let log_path = settings.root.join("postgres.log");
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(io("open log", &log_path))
    };
    let mut server = command(&binaries.join("postgres"), user);
    server.arg("-D").arg(data).arg("-k").arg(socket_dir);
    let connections = format!("max_connections={}", settings.max_connections);
    let durable = if settings.durable {
        "fsync=on"
    } else {
        "fsync=off"
    };
    // A night's write-ahead log between two checkpoints; a test's data is never replayed.
    let log = if settings.durable {
        "max_wal_size=2GB"
    } else {
        "max_wal_size=256MB"
    };
    for setting in [
        "listen_addresses=",
        "shared_buffers=128MB",
        log,
        &connections,
        durable,
    ] {
        server.args(["-c", setting]);
    }
    if !settings.durable {
        server.args(["-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    }
    // A group of its own: Ctrl-C must drain us first, not stop the database under us.
    server.stdout(open()?).stderr(open()?).process_group(0);
    crate::child::dies_with_us(&mut server);
    Ok(server)
}

/// Runs on a thread that lives exactly as long as the server: the parent-death signal is bound
/// to the thread that forked.
fn keep(
    mut command: Command,
    data: &Path,
    log: &Path,
    ready: &mpsc::Sender<Result<(), EmbeddedError>>,
    stopped: &mpsc::Receiver<()>,
) {
    let mut server = match command.spawn() {
        Ok(server) => server,
        Err(error) => {
            let _ = ready.send(Err(io("start postgres", data)(error)));
            return;
        }
    };
    let began = wait_until_ready(&mut server, data, log);
    let failed = began.is_err();
    let _ = ready.send(began);
    if !failed {
        // Ends when the owner drops its sender.
        let _ = stopped.recv();
    }
    stop(&mut server);
}

/// Line 8 of `postmaster.pid` says `ready`, as `pg_ctl -w` reads it.
fn wait_until_ready(server: &mut Child, data: &Path, log: &Path) -> Result<(), EmbeddedError> {
    let begun = Instant::now();
    while begun.elapsed().as_secs() < READY_SECONDS {
        if let Ok(Some(_)) = server.try_wait() {
            return Err(EmbeddedError::Program {
                program: "postgres",
                output: tail(log),
            });
        }
        let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = pid_file.lines();
        let pid = lines
            .next()
            .and_then(|line| line.trim().parse::<u32>().ok());
        if pid == Some(server.id()) && lines.nth(6).is_some_and(|line| line.trim() == "ready") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(EmbeddedError::NotReady {
        seconds: READY_SECONDS,
    })
}

/// Fast shutdown, then immediate, then by force.
fn stop(server: &mut Child) {
    let Ok(pid) = i32::try_from(server.id()) else {
        return;
    };
    for (signal, seconds) in [
        (Signal::SIGINT, 20),
        (Signal::SIGQUIT, 5),
        (Signal::SIGKILL, 5),
    ] {
        if matches!(server.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = kill(Pid::from_raw(pid), signal);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            if matches!(server.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Processes of an earlier run all have the data directory as their working directory.
fn stop_leftovers(data: &Path) -> Result<(), EmbeddedError> {
    let data = data.canonicalize().map_err(io("find", data))?;
    let begun = Instant::now();
    let mut sent = None;
    loop {
        let left = leftovers(&data);
        if left.is_empty() {
            return Ok(());
        }
        let signal = match begun.elapsed().as_secs() {
            0..20 => Signal::SIGINT,
            20..25 => Signal::SIGQUIT,
            25..30 => Signal::SIGKILL,
            _ => return Err(EmbeddedError::Leftovers(format!("{left:?}"))),
        };
        if sent != Some(signal) {
            sent = Some(signal);
            tracing::info!(processes = left.len(), %signal, "stopping postgresql of an earlier run");
            for pid in left {
                let _ = kill(pid, signal);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn leftovers(data: &Path) -> Vec<Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)
                && fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|comm| comm.trim() == "postgres")
        })
        .map(Pid::from_raw)
        .collect()
}

fn empty(directory: &Path) -> Result<(), EmbeddedError> {
    for entry in fs::read_dir(directory)
        .map_err(io("read directory", directory))?
        .flatten()
    {
        let _ = fs::remove_file(entry.path());
    }
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
