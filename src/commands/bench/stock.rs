//! `bench load` and `bench feed`: the night's two bulk jobs, run by real workers on real servers.

use super::{Server, engine_pool, options, peak_rss_mb, print};
use crate::sample;
use anyhow::{Context, Result, ensure};
use embedded::{ObjectServer, ObjectServerSettings};
use jobs::{App, BuildFeed, DecodeVins, LoadFile};
use partners::{FetchSettings, Fetcher, ObjectSettings, Objects};
use queue::{
    Catalogue, Engine, Enqueue, Job, Jobs, PostgresEngine, QueueSettings, WorkerSettings, Workers,
};
use serde::Serialize;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stores::{Dealers, Feeds, FileState, Files, NewFile, Sealer, Sources, measure};

#[derive(Debug, clap::Args)]
pub(super) struct Load {
    /// A file of one rooftop; a made one of `--rows` when absent
    file: Option<PathBuf>,
    #[arg(long, default_value = "homenet")]
    mapping: String,
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Feed {
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    #[arg(long, default_value = "google-vehicle-ads")]
    feed: String,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct LoadFigures {
    rows: i64,
    rows_per_s: f64,
    copy_rows_per_s: f64,
    /// Of the bare COPY's speed.
    ratio: f64,
    /// The same file again: nothing changes.
    again_rows_per_s: f64,
    rss_mb: f64,
}

#[derive(Serialize)]
struct FeedFigures {
    rows: i64,
    rows_per_s: f64,
    copy_to_rows_per_s: f64,
    ratio: f64,
    bytes: i64,
    rss_mb: f64,
}

/// Servers, stores and workers that run one kind of job.
pub(super) struct Yard {
    pub(super) app: Arc<App>,
    url: String,
    folder: PathBuf,
    _objects: ObjectServer,
}

impl Yard {
    pub(super) async fn open(url: &str, data_dir: &Path) -> Result<Self> {
        Self::open_with(url, data_dir, |options| options).await
    }

    /// As a process that answers operators: its pool is tuned for filters.
    pub(super) async fn open_with(
        url: &str,
        data_dir: &Path,
        tune: fn(stores::ConnectOptions) -> stores::ConnectOptions,
    ) -> Result<Self> {
        let folder = data_dir.join(format!("bench-{}", std::process::id()));
        let objects = ObjectServer::start(&ObjectServerSettings {
            root: folder.clone(),
            port: 0,
            bucket: "bench".to_owned(),
            access_key: "bench".to_owned(),
            secret_key: "bench".to_owned(),
        })
        .await?;
        let settings = ObjectSettings {
            endpoint: Some(objects.endpoint.clone()),
            region: "us-east-1".to_owned(),
            bucket: "bench".to_owned(),
            access_key: "bench".to_owned(),
            secret_key: "bench".into(),
        };
        let pool = stores::connect(url, &options("forecourt work", tune)).await?;
        stores::MIGRATIONS.run(&pool).await?;
        let engine = stores::connect(url, &engine_pool("forecourt engine")).await?;
        let app = App::new(
            pool,
            PostgresEngine::new(engine).into(),
            Objects::new(&settings),
            Sealer::new(&[0; 32]),
            "https://stock.example.com".to_owned(),
            Fetcher::new(FetchSettings::default())?,
            data_dir.join("cache"),
        );
        Ok(Self {
            app: Arc::new(app),
            url: url.to_owned(),
            folder,
            _objects: objects,
        })
    }

    /// Seconds from the enqueue to the job's acknowledged end.
    async fn timed<J: Job<App = App>>(&self, job: &J) -> Result<f64> {
        let leases = stores::connect(&self.url, &engine_pool("forecourt leases")).await?;
        let settings = WorkerSettings {
            queues: vec![QueueSettings::slow(J::POLICY.queue, 1)],
            grace: Duration::from_secs(10),
        };
        let workers = Workers::start(
            &self.app.engine,
            PostgresEngine::new(leases.clone()).into(),
            &Arc::new(Catalogue::default().with::<J>()),
            &self.app,
            &queue::boot_name(),
            &settings,
        )?;
        let begun = Instant::now();
        let mut conn = self.app.pool.acquire().await?;
        self.app
            .engine
            .enqueue(&mut conn, &[Enqueue::of(job)?])
            .await?;
        drop(conn);
        while workers.acknowledged() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        workers.drain(&self.app.engine).await;
        leases.close().await;
        Ok(seconds)
    }

    /// Runs the decodes that the load enqueued.
    async fn decode_all(&self) -> Result<()> {
        let leases = stores::connect(&self.url, &engine_pool("forecourt leases")).await?;
        let settings = WorkerSettings {
            queues: vec![QueueSettings::slow(DecodeVins::POLICY.queue, 2)],
            grace: Duration::from_secs(10),
        };
        let workers = Workers::start(
            &self.app.engine,
            PostgresEngine::new(leases.clone()).into(),
            &Arc::new(Catalogue::default().with::<DecodeVins>()),
            &self.app,
            &queue::boot_name(),
            &settings,
        )?;
        let nothing = serde_json::json!({});
        while Jobs::is_underway(
            &mut *self.app.pool.acquire().await?,
            DecodeVins::NAME,
            &nothing,
        )
        .await?
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        workers.drain(&self.app.engine).await;
        leases.close().await;
        Ok(())
    }

    async fn hand_in(&self, mapping: &str, file: &Path) -> Result<i64> {
        let kept = jobs::raw::keep(&self.app, file).await?;
        let mut conn = self.app.pool.acquire().await?;
        let dealer = domain::Dealer {
            key: "bench".to_owned(),
            store_code: "BENCH".to_owned(),
            ..domain::Dealer::default()
        };
        let dealer = Dealers::put(&mut conn, &dealer).await?;
        let source = Sources::put_upload(&mut conn, "bench", Some(dealer), mapping, false).await?;
        let file = NewFile {
            source_id: source,
            name: "bench.csv".to_owned(),
            digest: kept.digest,
            bytes: kept.bytes,
            modified_at: None,
            object_key: kept.object_key,
        };
        Ok(Files::record_upload(&mut conn, &file, None).await?)
    }

    /// Loads a file and answers its rows and seconds.
    async fn load(&self, mapping: &str, file: &Path) -> Result<(i64, f64)> {
        let file = self.hand_in(mapping, file).await?;
        let seconds = self.timed(&LoadFile { file }).await?;
        let loaded = Files::get(&mut *self.app.pool.acquire().await?, file).await?;
        ensure!(
            loaded.state == FileState::Loaded,
            "the file is {}: {}",
            loaded.state.as_str(),
            loaded.held_reason.unwrap_or_default()
        );
        Ok((loaded.counts.rows, seconds))
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Load {
    pub(super) async fn run(self, data_dir: &Path) -> Result<()> {
        let made = tempfile::NamedTempFile::new()?;
        let file = match &self.file {
            Some(file) => file.as_path(),
            None => {
                sample::write_vehicles(1, self.rows, &mut BufWriter::new(&made))?;
                made.path()
            }
        };
        let server = Server::find(data_dir).await?;
        let figures = server
            .in_a_database(async |url| {
                let yard = Yard::open(&url, data_dir).await?;
                let (rows, seconds) = yard.load(&self.mapping, file).await?;
                let (_, again) = yard.load(&self.mapping, file).await?;
                let rss_mb = peak_rss_mb()?;
                let (copy, copied) = measure::copy_in(&mut *yard.app.pool.acquire().await?).await?;
                let (speed, bare) = (rows as f64 / seconds, copied as f64 / copy);
                close(yard).await;
                Ok(LoadFigures {
                    rows,
                    rows_per_s: speed,
                    copy_rows_per_s: bare,
                    ratio: speed / bare,
                    again_rows_per_s: rows as f64 / again,
                    rss_mb,
                })
            })
            .await?;
        let words = format!(
            "{} rows: {:.0}/s, {:.2} of a bare COPY; again {:.0}/s; {:.0} MB at most",
            figures.rows,
            figures.rows_per_s,
            figures.ratio,
            figures.again_rows_per_s,
            figures.rss_mb
        );
        print(&words, &figures, self.json)
    }
}

impl Feed {
    pub(super) async fn run(self, data_dir: &Path) -> Result<()> {
        let (_, text) = feeds::BUILT_IN
            .iter()
            .find(|(key, _)| *key == self.feed)
            .with_context(|| format!("no feed {:?} is built in", self.feed))?;
        let definition = serde_json::to_value(feeds::Definition::parse(text)?)?;
        let server = Server::find(data_dir).await?;
        let figures = server
            .in_a_database(async |url| {
                let yard = Yard::open(&url, data_dir).await?;
                let made = tempfile::NamedTempFile::new()?;
                sample::write_vehicles(1, self.rows, &mut BufWriter::new(&made))?;
                yard.load("homenet", made.path()).await?;
                // Without its VINs a unit of the made file is left out.
                yard.decode_all().await?;
                let mut conn = yard.app.pool.acquire().await?;
                Feeds::put(&mut conn, &self.feed, &self.feed, &definition).await?;
                drop(conn);
                let job = BuildFeed {
                    feed: self.feed.clone(),
                };
                let seconds = yard.timed(&job).await?;
                let mut conn = yard.app.pool.acquire().await?;
                let runs = Feeds::runs(&mut conn, &self.feed, 1).await?;
                let run = runs.into_iter().next().context("no run")?;
                let rss_mb = peak_rss_mb()?;
                let (copy, copied) = measure::copy_out(&mut conn).await?;
                drop(conn);
                let considered = run.rows + run.excluded;
                let (speed, bare) = (considered as f64 / seconds, copied as f64 / copy);
                close(yard).await;
                Ok(FeedFigures {
                    rows: considered,
                    rows_per_s: speed,
                    copy_to_rows_per_s: bare,
                    ratio: speed / bare,
                    bytes: run.bytes,
                    rss_mb,
                })
            })
            .await?;
        let words = format!(
            "{} units: {:.0}/s, {:.2} of COPY TO; {:.0} MB at most",
            figures.rows, figures.rows_per_s, figures.ratio, figures.rss_mb
        );
        print(&words, &figures, self.json)
    }
}

/// The database is dropped next: nobody may hold it open.
async fn close(yard: Yard) {
    yard.app.engine.pool().close().await;
    yard.app.pool.close().await;
}
