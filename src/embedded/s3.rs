//! An S3 server in process, over a folder, on loopback, with credentials.
//!
//! Its known faults (racing conditional puts may both win; `x` beside `x/y` is an error) are why
//! "exactly one writer" is decided in PostgreSQL and keys are validated by `partners::objects`.

use crate::{EmbeddedError, io};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
pub struct ObjectServerSettings {
    pub root: PathBuf,
    /// 0 for any free port.
    pub port: u16,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

/// Dropping it stops listening.
#[derive(Debug)]
pub struct ObjectServer {
    pub endpoint: String,
    accepting: JoinHandle<()>,
}

impl ObjectServer {
    pub async fn start(settings: &ObjectServerSettings) -> Result<Self, EmbeddedError> {
        let bucket = settings.root.join(&settings.bucket);
        std::fs::create_dir_all(&bucket).map_err(io("make bucket", &bucket))?;
        let files = s3s_fs::FileSystem::new(&settings.root)
            .map_err(|error| EmbeddedError::Server(format!("object server: {error:?}")))?;
        let mut builder = s3s::service::S3ServiceBuilder::new(files);
        builder.set_auth(s3s::auth::SimpleAuth::from_single(
            settings.access_key.clone(),
            settings.secret_key.clone(),
        ));
        let service = builder.build();
        let address = ("127.0.0.1", settings.port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(io("listen for s3", format!("127.0.0.1:{}", settings.port)))?;
        let endpoint = listener
            .local_addr()
            .map(|address| format!("http://{address}"))
            .map_err(io("listen for s3", "address"))?;
        let accepting = tokio::spawn(async move {
            // Connections end with the server.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let service = service.clone();
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    // A client that hangs up ends its own connection only.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            endpoint,
            accepting,
        })
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
