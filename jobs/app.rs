//! What jobs work with.

use crate::shelf::PhotoShelf;
use partners::{Fetcher, Objects};
use queue::PostgresEngine;
use std::path::PathBuf;
use std::sync::Arc;
use stores::{PgPool, Sealer};
use tokio::sync::{OnceCell, Semaphore};
use vin::{Decoder, DecoderError};

pub struct App {
    pub pool: PgPool,
    pub engine: PostgresEngine,
    pub objects: Objects,
    pub sealer: Sealer,
    /// Where listings are shown when they bring no link of their own.
    pub site: String,
    pub fetcher: Fetcher,
    /// Turns at the cores, for photos.
    pub(crate) hashing: Semaphore,
    pub(crate) shelf: Arc<PhotoShelf>,
    /// Where the VIN data is unpacked to.
    pub cache: PathBuf,
    decoder: OnceCell<Arc<Decoder>>,
}

impl App {
    pub fn new(
        pool: PgPool,
        engine: PostgresEngine,
        objects: Objects,
        sealer: Sealer,
        site: String,
        fetcher: Fetcher,
        cache: PathBuf,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            pool,
            engine,
            objects,
            sealer,
            site,
            fetcher,
            hashing: Semaphore::new(cores),
            shelf: Arc::default(),
            cache,
            decoder: OnceCell::new(),
        }
    }

    /// Opened once a process, on first use: it is 84 MB.
    pub async fn decoder(&self) -> Result<Arc<Decoder>, DecoderError> {
        let open = || async {
            let cache = self.cache.clone();
            let opened = tokio::task::spawn_blocking(move || Decoder::open(&cache)).await;
            match opened {
                Ok(decoder) => decoder.map(Arc::new),
                Err(ended) => Err(DecoderError::Open(ended.to_string())),
            }
        };
        self.decoder.get_or_try_init(open).await.cloned()
    }
}
