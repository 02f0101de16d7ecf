//! A private Redis over the distribution's binary, on loopback.
#![expect(
    clippy::disallowed_methods,
    reason = "a child process tells nobody when it is ready: its port is polled"
)]

use crate::{EmbeddedError, free_port, io, private_dir};
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub struct RedisSettings {
    pub root: PathBuf,
    /// A free one when `None`.
    pub port: Option<u16>,
    /// With its append-only file, written out every second.
    pub append_only: bool,
}

/// Dropping it stops the server.
#[derive(Debug)]
pub struct PrivateRedis {
    port: u16,
    pid: u32,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<std::thread::JoinHandle<()>>,
}

const READY: Duration = Duration::from_secs(20);

impl PrivateRedis {
    pub fn start(settings: &RedisSettings) -> Result<Self, EmbeddedError> {
        private_dir(&settings.root)?;
        let port = match settings.port {
            Some(port) => port,
            None => free_port().map_err(io("find a free port for", "redis"))?,
        };
        let log = settings.root.join("redis.log");
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            options.open(&log).map_err(io("open log", &log))
        };
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .args(["--port", &port.to_string()])
            .arg("--dir")
            .arg(&settings.root)
            .args([
                "--appendonly",
                if settings.append_only { "yes" } else { "no" },
            ])
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .process_group(0);
        crate::child::dies_with_us(&mut command);
        let (stop, stopped) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let keeper = std::thread::Builder::new()
            .name("redis-keeper".to_owned())
            .spawn(move || keep(command, port, &log, &ready, &stopped))
            .map_err(io("start thread", "redis-keeper"))?;
        match is_ready.recv() {
            Ok(Ok(pid)) => Ok(Self {
                port,
                pid,
                stop: Some(stop),
                keeper: Some(keeper),
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(EmbeddedError::Server("the redis keeper ended".to_owned())),
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Runs on a thread that lives exactly as long as the server: the parent-death signal is bound to the
/// thread that forked.
fn keep(
    mut command: Command,
    port: u16,
    log: &Path,
    ready: &mpsc::Sender<Result<u32, EmbeddedError>>,
    stopped: &mpsc::Receiver<()>,
) {
    let mut server = match command.spawn() {
        Ok(server) => server,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let _ = ready.send(Err(EmbeddedError::NoRedis));
            return;
        }
        Err(error) => {
            let _ = ready.send(Err(io("start redis-server", "redis-server")(error)));
            return;
        }
    };
    let begun = Instant::now();
    while !answers(port) {
        if let Ok(Some(_)) = server.try_wait() {
            let output = std::fs::read_to_string(log).unwrap_or_default();
            let _ = ready.send(Err(EmbeddedError::Program {
                program: "redis-server",
                output,
            }));
            return;
        }
        if begun.elapsed() > READY {
            end(&mut server);
            let _ = ready.send(Err(EmbeddedError::Server(format!(
                "redis was not ready after {} s",
                READY.as_secs()
            ))));
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if ready.send(Ok(server.id())).is_ok() {
        // Until the owner lets go; a server that was killed meanwhile is only reaped.
        let _ = stopped.recv();
    }
    end(&mut server);
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut answer = [0u8; 5];
    stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && &answer == b"+PONG"
}

fn end(server: &mut Child) {
    let _ = server.kill();
    let _ = server.wait();
}
