//! What jobs work with.

use crate::gates::{ArgSeal, SharedGate};
use crate::shelf::PhotoShelf;
use partners::valuation::Tokens;
use partners::{Fetcher, Gate, Objects, PartnerError, Webhook};
use queue::{AnyEngine, BreakerPolicy, Locks, Partners, Throttle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stores::{PgPool, Sealer};
use tokio::sync::{OnceCell, Semaphore};
use vin::{Decoder, DecoderError};

pub struct App {
    pub pool: PgPool,
    pub engine: AnyEngine,
    pub objects: Objects,
    pub sealer: Arc<Sealer>,
    /// Opens secret arguments.
    pub(crate) args: ArgSeal,
    /// Where listings are shown when they bring no link of their own.
    pub site: String,
    pub fetcher: Fetcher,
    /// Breakers and budgets of everybody we call.
    pub partners: Partners,
    /// What every outbound call goes through.
    pub gate: Arc<dyn Gate>,
    pub locks: Locks,
    /// Where alerts are told, when that is set.
    pub webhook: Option<Webhook>,
    /// A photo that a job has not asked for by then is another job's: a slow host shall not run it out of its time.
    pub photos_begin_within: Duration,
    /// Turns at the cores, for photos.
    pub(crate) hashing: Semaphore,
    pub(crate) shelf: Arc<PhotoShelf>,
    /// Of valuation services.
    pub(crate) tokens: Tokens,
    /// Where the VIN data is unpacked to.
    pub cache: PathBuf,
    /// Where files from drops are put together; a cut fetch goes on from here.
    pub staging: PathBuf,
    decoder: OnceCell<Arc<Decoder>>,
}

impl App {
    pub fn new(
        pool: PgPool,
        engine: AnyEngine,
        objects: Objects,
        sealer: Sealer,
        site: String,
        fetcher: Fetcher,
        cache: PathBuf,
    ) -> Self {
        let sealer = Arc::new(sealer);
        let args = ArgSeal(sealer.clone());
        let engine = engine.sealing(Arc::new(args.clone()));
        let throttle = match &engine {
            AnyEngine::Postgres(_) => Throttle::Postgres(pool.clone()),
            AnyEngine::Redis(redis) => Throttle::Redis {
                bucket: redis.bucket(),
                fallback: pool.clone(),
            },
        };
        let partners = Partners::new(pool.clone(), BreakerPolicy::default(), throttle);
        let gate: Arc<dyn Gate> = Arc::new(SharedGate(partners.clone()));
        let fetcher = fetcher.behind(gate.clone());
        let locks = Locks::new(pool.clone());
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            pool,
            engine,
            objects,
            sealer,
            args,
            site,
            fetcher,
            partners,
            gate,
            locks,
            webhook: None,
            photos_begin_within: Duration::from_secs(20 * 60),
            hashing: Semaphore::new(cores),
            shelf: Arc::default(),
            tokens: Tokens::default(),
            staging: cache.join("staging"),
            cache,
            decoder: OnceCell::new(),
        }
    }

    /// Files are put together elsewhere than in the cache.
    pub fn staging_in(mut self, folder: PathBuf) -> Self {
        self.staging = folder;
        self
    }

    /// Alerts go to this address.
    pub fn telling(mut self, url: &str) -> Result<Self, PartnerError> {
        self.webhook = Some(Webhook::new(url, self.gate.clone())?);
        Ok(self)
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
