//! Every kind of job delivered twice, the second time to a worker that knows nothing of the first: the stock,
//! the feeds and the ledger end as they do when each came once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobs::testing::TestApp;
use jobs::{
    ActOnJobs, ArchiveListings, BuildFeed, DeliverAlert, ExportReport, ProbePartner, PruneHistory,
    PullSource, RefreshHistory, RefreshValuations, RefreshVins, RestoreListings, RevisitPhotos,
    UploadPhotos,
};
use queue::{BulkAction, Bulks, Job, JobFilter, Outcome, Partner};
use std::collections::BTreeSet;
use stores::{
    Alerts, Archives, Changes, Feeds, Files, ListingFilter, Listings, Photos, Providers, Vins,
};

const HEADER: &str = "Type,Stock,VIN,Year,Make,Model,ExteriorColor,Miles,Selling Price,ImageList\n";
const VINS: [&str; 4] = [
    "1HGCM82633A004352",
    "5TDXZ3DC2KS015402",
    "1FTEW1EG2JFD44217",
    "KM8K2CAB4PU001140",
];

fn file(units: &[usize], price: u32) -> String {
    let rows: String = units
        .iter()
        .map(|n| {
            let vin = VINS[*n];
            format!(
                "Used,A{n},{vin},,,,Red,\"12,000\",\"${price}\",http://photos.test/bay/A{n}.jpg\n"
            )
        })
        .collect();
    format!("{HEADER}{rows}")
}

struct Night {
    test: TestApp,
    kinds: BTreeSet<String>,
}

impl Night {
    async fn perform<J: Job<App = jobs::App>>(&mut self, job: &J) -> Outcome {
        let step = self.test.stepper.perform(job).await.unwrap();
        assert_eq!(
            step.outcome.word(),
            "done",
            "{}: {:?}",
            J::NAME,
            step.outcome
        );
        self.kinds.insert(step.kind);
        self.rest().await;
        step.outcome
    }

    /// Whatever follows.
    async fn rest(&mut self) {
        for step in self.test.run_all().await {
            assert_eq!(
                step.outcome.word(),
                "done",
                "{}: {:?}",
                step.kind,
                step.outcome
            );
            self.kinds.insert(step.kind);
        }
        self.test.follow_changes().await;
        self.kinds.insert("rebuild_parents".to_owned());
    }

    /// An action on whatever still waits of one kind.
    async fn action(&self) -> i64 {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        let (cancel, kind) = (BulkAction::Cancel, Some("load_file".to_owned()));
        let waiting = JobFilter {
            kind,
            ..JobFilter::default()
        };
        let bulk = Bulks::accept(&mut conn, &cancel, &waiting, false, "ops").await;
        bulk.unwrap().id
    }

    async fn break_over(&self, partner: &str) {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        assert!(
            Partner::isolate(&mut conn, partner, "ops", "a test")
                .await
                .unwrap()
        );
        assert!(Partner::probe_now(&mut conn, partner, "ops").await.unwrap());
    }

    async fn state(&self) -> serde_json::Value {
        let mut conn = self.test.app.pool.acquire().await.unwrap();
        let all = ListingFilter::default();
        let listings = Listings::list(&mut conn, &all, 0, 100).await.unwrap();
        let listings: Vec<_> = listings
            .iter()
            .map(|l| {
                (
                    l.stock_number.clone(),
                    l.status,
                    l.version,
                    serde_json::to_value(&l.details).unwrap(),
                )
            })
            .collect();
        let files = Files::list(&mut conn, None, 10).await.unwrap();
        let files: Vec<_> = files.iter().map(|f| (f.state, f.counts)).collect();
        let runs = Feeds::runs(&mut conn, feeds::BUILT_IN[0].0, 10)
            .await
            .unwrap();
        let runs: Vec<_> = runs
            .iter()
            .map(|r| (r.state.clone(), r.rows, r.excluded, r.digest.clone()))
            .collect();
        serde_json::json!({
            "listings": listings,
            "files": files,
            "feed runs": runs,
            "photos": Photos::counts(&mut conn).await.unwrap(),
            "partners": Partner::list(&mut conn)
                .await
                .unwrap()
                .iter()
                // The drop's host has another port every time.
                .map(|p| (p.name.split(':').next().map(str::to_owned), p.state.as_str()))
                .collect::<Vec<_>>(),
            "providers": Providers::views(&mut conn)
                .await
                .unwrap()
                .iter()
                .map(|p| (p.name.clone(), p.due, p.failing, p.answers))
                .collect::<Vec<_>>(),
            "uploads": self.test.sandbox.uploaded().len(),
            "vins": Vins::counts(&mut conn).await.unwrap(),
            "archived": Archives::count(&mut conn).await.unwrap(),
            "changes": Changes::position(&mut conn).await.unwrap(),
        })
    }
}

async fn night(twice: bool) -> (serde_json::Value, BTreeSet<String>) {
    let mut test = TestApp::start().await;
    if twice {
        test.stepper.deliver_twice();
    }
    test.source("bayview", "homenet").await;
    test.providers().await;
    let sql = "UPDATE sources SET after_load = 'delete', report_folder = '/reports'";
    stores::execute_for_tests(&test.app.pool, sql)
        .await
        .unwrap();
    let (key, text) = feeds::BUILT_IN[0];
    let definition = serde_json::to_value(feeds::Definition::parse(text).unwrap()).unwrap();
    let mut conn = test.app.pool.acquire().await.unwrap();
    Feeds::put(&mut conn, key, key, &definition).await.unwrap();
    Alerts::raise(&mut conn, "tried", "warning", "this test", "is one")
        .await
        .unwrap();
    let alert = Alerts::undelivered(&mut conn).await.unwrap()[0];
    drop(conn);
    let mut night = Night {
        test,
        kinds: BTreeSet::new(),
    };
    let pull = PullSource {
        source: "bayview".to_owned(),
    };
    let feed = BuildFeed {
        feed: key.to_owned(),
    };
    night
        .test
        .dropped("bayview", "one.csv", file(&[0, 1, 2, 3], 9_000).as_bytes());
    night.perform(&pull).await;
    night.perform(&feed).await;
    night
        .test
        .dropped("bayview", "two.csv", file(&[0, 1, 2], 8_500).as_bytes());
    night.perform(&pull).await;
    night.perform(&feed).await;
    night.perform(&ArchiveListings { after_days: 0 }).await;
    let mut conn = night.test.app.pool.acquire().await.unwrap();
    let archive = Archives::find(&mut conn, VINS[3]).await.unwrap()[0].archive_id;
    drop(conn);
    night
        .perform(&RestoreListings {
            archive,
            listing: None,
            dealer: None,
        })
        .await;
    night.perform(&PruneHistory {}).await;
    let of = |name: &str| name.to_owned();
    let provider = of("nhtsa");
    night.perform(&RefreshVins { provider }).await;
    let provider = of("past");
    night.perform(&RefreshHistory { provider }).await;
    let provider = of("worth");
    night.perform(&RefreshValuations { provider }).await;
    let provider = of("shop");
    night.perform(&UploadPhotos { provider }).await;
    night.perform(&RevisitPhotos { nights: 1 }).await;
    let source = "bayview".to_owned();
    night.perform(&ExportReport { source }).await;
    night.perform(&DeliverAlert { alert }).await;
    let bulk = night.action().await;
    night.perform(&ActOnJobs { bulk }).await;
    let partner = "sftp bayview".to_owned();
    let probe = ProbePartner { partner };
    night.break_over(&probe.partner).await;
    night.perform(&probe).await;
    (night.state().await, night.kinds)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_delivered_twice_ends_as_delivered_once() {
    let (once, kinds) = night(false).await;
    let every: BTreeSet<String> = jobs::catalogue()
        .iter()
        .map(|kind| kind.name.to_owned())
        .collect();
    assert_eq!(kinds, every);
    let (twice, _) = night(true).await;
    assert_eq!(once, twice);
}
