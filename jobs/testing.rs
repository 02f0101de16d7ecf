//! The test kit of the middle floor: real servers, a database of its own, and jobs that run when
//! the test says so.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

use crate::providers::ProviderOrder;
use crate::{App, catalogue};
use domain::Dealer;
use embedded::{DropSettings, ObjectServer, ObjectServerSettings, Sandbox, SftpDrop};
use partners::{FetchSettings, Fetcher, ObjectSettings, Objects};
use queue::testing::{Step, Stepper};
use queue::{AnyEngine, Catalogue, PostgresEngine, QueueName};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stores::{
    Changes, Dealers, Files, NewFile, NewSource, PgPool, PoolOptions, Sealer, SourceRow, Sources,
};

/// Everything a job works with. Dropping it fails the test when a job is left behind.
pub struct TestApp {
    pub app: Arc<App>,
    pub catalogue: Arc<Catalogue<App>>,
    pub stepper: Stepper<AnyEngine, App>,
    pub sftp: SftpDrop,
    /// Every partner that is called by HTTP; `photos.test` is one.
    pub sandbox: Sandbox,
    /// `None` once the test has taken object storage away.
    pub objects: Option<ObjectServer>,
    pub root: PathBuf,
    forgiving: bool,
}

const PASSWORD: &str = "hunter2";

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With settings of the test's own.
    pub async fn start_with(set: impl FnOnce(&mut App)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root =
            std::env::temp_dir().join(format!("forecourt-jobs-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).expect("a folder for the test");
        let url = embedded::testing::database();
        let connect = async |name, tune| {
            let options = PoolOptions {
                name,
                connections: 8,
                statement: Duration::from_secs(30),
                lock: Duration::from_secs(10),
                tune,
            };
            stores::connect(&url, &options)
                .await
                .expect("the test server")
        };
        let pool: PgPool = connect("test", |options| options).await;
        let engine: AnyEngine =
            PostgresEngine::new(connect("test engine", queue::engine_options).await).into();
        let objects = ObjectServer::start(&ObjectServerSettings {
            root: root.join("objects"),
            port: 0,
            bucket: "forecourt".to_owned(),
            access_key: "key".to_owned(),
            secret_key: "secret".to_owned(),
        })
        .await
        .expect("an object server");
        let sftp = SftpDrop::start(&DropSettings {
            root: root.join("drop"),
            host_key: root.join("host.key"),
            port: 0,
            username: "dealer".to_owned(),
            password: PASSWORD.to_owned(),
        })
        .await
        .expect("an sftp drop");
        let sandbox = Sandbox::start(0).await.expect("a photo host");
        let settings = ObjectSettings {
            endpoint: Some(objects.endpoint.clone()),
            region: "us-east-1".to_owned(),
            bucket: "forecourt".to_owned(),
            access_key: "key".to_owned(),
            secret_key: "secret".into(),
        };
        let cache = std::env::temp_dir().join("forecourt-vin-test");
        let mut app = App::new(
            pool.clone(),
            engine.clone(),
            Objects::new(&settings),
            Sealer::new(&[9; 32]),
            "https://stock.example.com".to_owned(),
            fetcher(&sandbox),
            cache,
        );
        set(&mut app);
        let app = Arc::new(app.staging_in(root.join("staging")));
        let catalogue = Arc::new(catalogue());
        let stepper = Stepper::new(engine, pool, &catalogue, &app);
        Self {
            app,
            catalogue,
            stepper,
            sftp,
            sandbox,
            objects: Some(objects),
            root,
            forgiving: false,
        }
    }

    /// The sandbox's services as providers: `nhtsa`, `past`, `worth` and `shop`.
    pub async fn providers(&self) {
        let orders: BTreeMap<String, ProviderOrder> =
            serde_json::from_str(Sandbox::PROVIDERS).expect("orders");
        for (name, order) in orders {
            let put = crate::providers::put(&self.app, &name, order, "test");
            put.await.expect("a provider");
        }
    }

    /// A rooftop with a drop of its own.
    pub async fn source(&self, key: &str, mapping: &str) {
        let mut conn = self.app.pool.acquire().await.expect("a connection");
        let dealer = Dealer {
            key: key.to_owned(),
            name: key.to_owned(),
            store_code: format!("{key}-1"),
            ..Dealer::default()
        };
        let dealer_id = Dealers::put(&mut conn, &dealer).await.expect("a dealer");
        let secret = self
            .app
            .sealer
            .seal(&SourceRow::purpose(key), PASSWORD)
            .expect("sealed");
        let source = NewSource {
            kind: stores::SourceKind::Sftp,
            url: String::new(),
            key: key.to_owned(),
            dealer_id: Some(dealer_id),
            create_dealers: false,
            max_removed_percent: stores::MOST_REMOVED_PERCENT,
            host: "127.0.0.1".to_owned(),
            port: self.sftp.port,
            username: "dealer".to_owned(),
            secret,
            host_key: self.sftp.fingerprint.clone(),
            folder: format!("/{key}"),
            pattern: "*.csv".to_owned(),
            mapping: mapping.to_owned(),
            terms: stores::Terms::default(),
        };
        Sources::put(&mut conn, &source).await.expect("a source");
        std::fs::create_dir_all(self.root.join("drop").join(key)).expect("a folder");
    }

    /// A file handed in as `forecourt load` does; its id.
    pub async fn handed_in(
        &self,
        mapping: &str,
        dealer_id: Option<i64>,
        create_dealers: bool,
        bytes: &[u8],
    ) -> i64 {
        let digest = blake3::hash(bytes).to_hex().to_string();
        let object_key = format!("raw/{digest}");
        let put = self
            .app
            .objects
            .put(&object_key, bytes.to_vec(), "text/csv");
        put.await.expect("an object");
        let mut conn = self.app.pool.acquire().await.expect("a connection");
        let source_id =
            Sources::put_upload(&mut conn, "upload", dealer_id, mapping, create_dealers);
        let file = NewFile {
            source_id: source_id.await.expect("a source"),
            name: "stock.csv".to_owned(),
            digest,
            bytes: i64::try_from(bytes.len()).unwrap_or(0),
            modified_at: None,
            object_key,
        };
        Files::record_upload(&mut conn, &file, None)
            .await
            .expect("a file")
    }

    /// Puts a file where the source looks.
    pub fn dropped(&self, source: &str, name: &str, bytes: &[u8]) {
        std::fs::write(self.root.join("drop").join(source).join(name), bytes)
            .expect("a dropped file");
    }

    /// Runs everything that is due and what follows from it.
    pub async fn run_all(&mut self) -> Vec<Step> {
        self.stepper.run_all().await.expect("stepping")
    }

    /// Dispatches every change and puts parents together, until nothing follows any more.
    pub async fn follow_changes(&mut self) {
        loop {
            // The horizon is the whole server's: another test's transaction may hold it back.
            let mut conn = self.app.pool.acquire().await.expect("a connection");
            while Changes::unstamped(&mut conn).await.expect("a count") > 0 {
                crate::loops::dispatch_all(&self.app)
                    .await
                    .expect("dispatching");
            }
            drop(conn);
            self.stepper.hurry("rebuild_parents").await.expect("hurry");
            let step = self.stepper.step(QueueName::Index).await;
            match step.expect("stepping") {
                Some(step) => assert_eq!(step.outcome.word(), "done", "{:?}", step.outcome),
                None => return,
            }
        }
    }

    /// Alerts go to this address from now on.
    pub fn tell(&mut self, url: &str) {
        let app = self.rebuilt().telling(url).expect("a webhook");
        self.app = Arc::new(app);
        let engine = self.app.engine.clone();
        self.stepper = Stepper::new(engine, self.app.pool.clone(), &self.catalogue, &self.app);
    }

    /// The same app, made anew: nobody has it yet.
    fn rebuilt(&self) -> App {
        App::new(
            self.app.pool.clone(),
            self.app.engine.clone(),
            self.app.objects.clone(),
            Sealer::new(&[9; 32]),
            self.app.site.clone(),
            fetcher(&self.sandbox),
            self.app.cache.clone(),
        )
    }

    /// The test means to leave jobs behind.
    pub fn forgive_left_behind(&mut self) {
        self.forgiving = true;
    }
}

fn fetcher(host: &Sandbox) -> Fetcher {
    // Another test of this process may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Fetcher::new(FetchSettings {
        ours: host.hosts(),
        ..FetchSettings::default()
    })
    .expect("a fetcher")
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
        if std::thread::panicking() || self.forgiving {
            return;
        }
        let stepper = &self.stepper;
        // The test's runtime may be this very thread: ask from another.
        let left = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build();
                    runtime.expect("a runtime").block_on(stepper.left_behind())
                })
                .join()
        });
        match left {
            Ok(Ok(left)) => assert!(left.is_empty(), "jobs left behind: {}", left.join(", ")),
            other => panic!(
                "what is left behind cannot be told: {:?}",
                other.map(|_| ())
            ),
        }
    }
}
