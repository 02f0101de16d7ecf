//! A proxy before a server: it delays, hangs or hangs up, as it is told.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    Pass = 0,
    /// Nothing goes through, no connection is closed: half open.
    Hang = 1,
    /// Connections are cut in the middle of an answer, new ones at once.
    Cut = 2,
}

#[derive(Default)]
pub struct Line {
    mode: AtomicU8,
    /// Milliseconds that every piece is held back.
    delay: AtomicU64,
}

impl Line {
    pub fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }

    pub fn delay(&self, ms: u64) {
        self.delay.store(ms, Ordering::SeqCst);
    }

    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }
}

/// Before a PostgreSQL socket: the folder to connect to instead.
pub fn before_socket(socket: &Path, root: &Path) -> Result<(PathBuf, Arc<Line>)> {
    let folder = root.join("proxy");
    std::fs::create_dir_all(&folder)?;
    let line = Arc::new(Line::default());
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5432"))?;
    let (server, told) = (socket.join(".s.PGSQL.5432"), line.clone());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, line) = (server.clone(), told.clone());
            tokio::spawn(async move {
                if let Ok(server) = UnixStream::connect(server).await {
                    carry(client, server, line).await;
                }
            });
        }
    });
    Ok((folder, line))
}

/// Before a TCP port: the port to connect to instead.
pub async fn before_port(port: u16) -> Result<(u16, Arc<Line>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let ours = listener.local_addr()?.port();
    let line = Arc::new(Line::default());
    let told = line.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let line = told.clone();
            tokio::spawn(async move {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                    carry(client, server, line).await;
                }
            });
        }
    });
    Ok((ours, line))
}

async fn carry<C, S>(client: C, server: S, line: Arc<Line>)
where
    C: AsyncRead + AsyncWrite + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    // Either side's end ends both.
    tokio::select! {
        () = copy(from_client, to_server, &line) => {}
        () = copy(from_server, to_client, &line) => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, line: &Line) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let Ok(bytes) = from.read(&mut piece).await else {
            return;
        };
        if bytes == 0 {
            return;
        }
        let delay = line.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        while line.is(Mode::Hang) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if line.is(Mode::Cut) {
            // Half an answer is worse than none.
            let _ = to.write_all(&piece[..bytes / 2]).await;
            return;
        }
        if to.write_all(&piece[..bytes]).await.is_err() {
            return;
        }
    }
}
