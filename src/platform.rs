//! Wiring: pools per role, the app that jobs and requests work with, and the roles a process can
//! play.

use crate::config::Config;
use crate::instance::Instance;
use crate::telemetry;
use crate::tuning::{self, EngineChoice};
use anyhow::{Context, Result};
use api::{Api, IndexTailer};
use jobs::App;
use partners::{FetchSettings, Fetcher, Objects};
use queue::{
    AnyEngine, Catalogue, DrainReport, Health, PostgresEngine, RedisEngine, Workers,
    engine_options, filter_options,
};
use secrecy::ExposeSecret;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use stores::{MIGRATIONS, PgPool, Sealer};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Platform {
    pub(crate) config: Config,
    /// On the work pool.
    pub(crate) app: Arc<App>,
    /// The same stores on the API's own pool.
    pub(crate) api_app: Arc<App>,
    pub(crate) catalogue: Arc<Catalogue<App>>,
    pub(crate) engine: AnyEngine,
    leases: AnyEngine,
    /// Servers started for this command alone. Last: they stop when the pools are gone.
    private: Option<Instance>,
}

impl Platform {
    /// What the environment names or what runs on this data directory; else private servers on it, for as long
    /// as this lives.
    pub(crate) async fn open(data_dir: &Path) -> Result<Self> {
        let found = match Config::from_env()? {
            Some(config) => Some(config),
            None => Instance::running(data_dir)?,
        };
        if let Some(config) = found {
            return Self::connect(config).await;
        }
        eprintln!("starting private servers in {}", data_dir.display());
        let instance = Instance::start(data_dir).await?;
        let mut platform = Self::connect(instance.config.clone()).await?;
        platform.private = Some(instance);
        platform.migrate().await?;
        Ok(platform)
    }

    /// Whether nobody else uses the servers.
    pub(crate) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    pub(crate) async fn connect(config: Config) -> Result<Self> {
        telemetry::trace_runs(&config.master_key.0);
        let url = config.database_url.expose_secret();
        let pools = &config.tuning.pools;
        let work = pool(url, &pools.work, |options| options).await?;
        let api = pool(url, &pools.api, filter_options).await?;
        let engine = engine(&config, pool(url, &pools.engine, engine_options).await?)?;
        if let AnyEngine::Redis(redis) = &engine {
            for warning in redis.check().await.context("reach Redis")? {
                eprintln!("WARNING: {warning}");
                tracing::warn!(warning, "redis is not set up to be trusted");
            }
        }
        let leases = self::engine(&config, pool(url, &pools.leases, engine_options).await?)?;
        let mut ours = config.ours.clone();
        ours.extend(
            config
                .tuning
                .sandbox
                .map(embedded::Sandbox::hosts_at)
                .unwrap_or_default(),
        );
        let fetcher = Fetcher::new(FetchSettings {
            ours,
            allow: config.tuning.fetch_allow.clone(),
            deny: config.tuning.fetch_deny.clone(),
            ..FetchSettings::default()
        })?;
        let app = |pool: PgPool| -> Result<Arc<App>> {
            let app = App::new(
                pool,
                engine.clone(),
                Objects::new(&config.objects),
                Sealer::new(&config.master_key.0),
                config.site.clone(),
                fetcher.clone(),
                config.data_dir.join("cache"),
            );
            Ok(Arc::new(match &config.tuning.alert_webhook {
                Some(url) => app.telling(url)?,
                None => app,
            }))
        };
        Ok(Self {
            app: app(work)?,
            api_app: app(api)?,
            catalogue: Arc::new(jobs::catalogue()),
            engine: engine.clone(),
            leases,
            config,
            private: None,
        })
    }

    pub(crate) async fn migrate(&self) -> Result<()> {
        MIGRATIONS
            .run(&self.app.pool)
            .await
            .context("migrate the database")?;
        let mut conn = self.app.pool.acquire().await?;
        queue::Jobs::ensure_history_days(&mut conn, 7).await?;
        Ok(())
    }

    pub(crate) fn work(&self) -> Result<Workers> {
        let problems = self.catalogue.problems();
        anyhow::ensure!(
            problems.is_empty(),
            "job policies contradict themselves:\n  - {}",
            problems.join("\n  - ")
        );
        let name = queue::boot_name();
        Workers::start(
            &self.engine,
            self.leases.clone(),
            &self.catalogue,
            &self.app,
            &name,
            &self.config.tuning.workers,
        )
        .context("start workers")
    }

    /// The API on its address. Ends when `stop` is cancelled.
    pub(crate) async fn serve(
        &self,
        workers: Option<Arc<Health>>,
        stop: &CancellationToken,
    ) -> Result<(SocketAddr, Arc<IndexTailer>, Vec<JoinHandle<()>>)> {
        let search = Arc::new(IndexTailer::default());
        let tailer = {
            let (search, pool, stop) = (search.clone(), self.api_app.pool.clone(), stop.clone());
            tokio::spawn(async move { search.run(pool, stop).await })
        };
        let api = Api {
            app: self.api_app.clone(),
            catalogue: self.catalogue.clone(),
            search: search.clone(),
            workers,
        };
        let (address, server) = api::serve(api, self.config.listen, stop.clone())
            .await
            .with_context(|| format!("listen on {}", self.config.listen))?;
        Ok((address, search, vec![tailer, server]))
    }

    /// Health and metrics on an address of their own.
    pub(crate) async fn watch(
        &self,
        workers: Option<Arc<Health>>,
        listen: SocketAddr,
        stop: &CancellationToken,
    ) -> Result<(SocketAddr, JoinHandle<()>)> {
        api::serve_watch(self.app.clone(), workers, listen, stop.clone())
            .await
            .with_context(|| format!("listen on {listen}"))
    }
}

fn engine(config: &Config, pool: PgPool) -> Result<AnyEngine> {
    let postgres = PostgresEngine::new(pool);
    Ok(match &config.tuning.engine {
        EngineChoice::Postgres => postgres.into(),
        EngineChoice::Redis { url, prefix } => {
            RedisEngine::new(postgres, url.expose_secret(), prefix)
                .context("REDIS_URL")?
                .into()
        }
    })
}

async fn pool(
    url: &str,
    settings: &tuning::Pool,
    tune: fn(stores::ConnectOptions) -> stores::ConnectOptions,
) -> Result<PgPool> {
    stores::connect(
        url,
        &stores::PoolOptions {
            name: settings.name,
            connections: settings.connections,
            statement: settings.statement,
            lock: settings.lock,
            tune,
        },
    )
    .await
    .with_context(|| format!("connect the {} pool to PostgreSQL", settings.name))
}

/// Resolves on the first SIGINT or SIGTERM.
pub(crate) async fn told_to_stop() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

pub(crate) fn print_drain(report: DrainReport) {
    eprintln!(
        "drained: {} attempts finished, {} jobs handed back ({} of them cut), {} stale",
        report.finished, report.handed_back, report.cut, report.stale
    );
}
