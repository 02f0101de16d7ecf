//! `bench console`: every page of the console, and bulk actions, over a long history.

use super::stock::Yard;
use super::{Server, print, quantile};
use anyhow::{Context, Result, ensure};
use api::{Api, IndexTailer};
use reqwest::{Client, header, redirect};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stores::{Keys, Scope};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(super) struct Console {
    /// Jobs in the history
    #[arg(long, default_value_t = 1_000_000)]
    jobs: u32,
    /// Of them dead, for one bulk retry
    #[arg(long, default_value_t = 100_000)]
    dead: u32,
    /// Requests for each page
    #[arg(long, default_value_t = 40)]
    requests: usize,
    /// Only the JSON line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Figures {
    jobs: u32,
    dead: u32,
    /// Server time of each page, 95 of 100 are below it.
    p95_ms: BTreeMap<&'static str, f64>,
    bulk_preview_ms: f64,
    bulk_accepted_ms: f64,
}

/// What operators open; the last four search.
const PAGES: [(&str, &str); 15] = [
    ("tonight", "/console/"),
    ("queues", "/console/queues"),
    ("jobs", "/console/jobs"),
    ("jobs dead", "/console/jobs?state=dead"),
    ("jobs of a kind", "/console/jobs?kind=decode_vins"),
    ("jobs cancelled", "/console/jobs?state=cancelled"),
    ("job", "/console/jobs/500000"),
    ("runs", "/console/runs"),
    ("run", "/console/runs/400"),
    ("schedules", "/console/schedules"),
    ("partners", "/console/partners"),
    ("workers", "/console/workers"),
    ("search source", "/console/jobs?args=source%3Ddealer-110"),
    (
        "search listing",
        "/console/jobs?args=%7B%22listings%22%3A%5B123456%5D%7D",
    ),
    ("search nothing", "/console/jobs?args=source%3Dnobody"),
];

impl Console {
    pub(super) async fn run(self, data_dir: &Path) -> Result<()> {
        let server = Server::find(data_dir).await?;
        let figures = server
            .in_a_database(async |url| self.measure(&url, data_dir).await)
            .await?;
        let mut words = format!(
            "{} jobs in the history, p95 of {} requests:\n",
            self.jobs, self.requests
        );
        for (page, ms) in &figures.p95_ms {
            words.push_str(&format!("  {page:<16} {ms:>7.1} ms\n"));
        }
        words.push_str(&format!(
            "retry of {}: previewed in {:.0} ms, accepted in {:.0} ms",
            figures.dead, figures.bulk_preview_ms, figures.bulk_accepted_ms
        ));
        print(&words, &figures, self.json)
    }

    async fn measure(&self, url: &str, data_dir: &Path) -> Result<Figures> {
        ensure!(self.dead < self.jobs, "--dead is below --jobs");
        let yard = Yard::open_with(url, data_dir, queue::filter_options).await?;
        let mut conn = yard.app.pool.acquire().await?;
        queue::Jobs::ensure_history_days(&mut conn, 2).await?;
        let done = i64::from(self.jobs - self.dead);
        queue::measure::fill_history(&mut conn, done, self.dead.into()).await?;
        let key = Keys::create(&mut conn, "bench", Scope::Operate).await?;
        drop(conn);
        let stop = CancellationToken::new();
        let api = Api {
            app: yard.app.clone(),
            catalogue: Arc::new(jobs::catalogue()),
            search: Arc::new(IndexTailer::default()),
            workers: None,
        };
        let (address, _) = api::serve(api, ([127, 0, 0, 1], 0).into(), stop.clone()).await?;
        let measured = self.ask(&format!("http://{address}"), &key).await;
        stop.cancel();
        measured
    }

    async fn ask(&self, url: &str, key: &str) -> Result<Figures> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .build()?;
        let entered = client
            .post(format!("{url}/console/login"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("key={key}"))
            .send()
            .await?;
        let cookie = entered
            .headers()
            .get(header::SET_COOKIE)
            .context("no session")?
            .clone();
        let mut p95_ms = BTreeMap::new();
        for (name, path) in PAGES {
            let mut took = Vec::new();
            for _ in 0..self.requests {
                let begun = Instant::now();
                let page = client
                    .get(format!("{url}{path}"))
                    .header(header::COOKIE, &cookie)
                    .send()
                    .await?;
                ensure!(page.status().is_success(), "{path}: {}", page.status());
                page.bytes().await?;
                took.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            took.sort_by(f64::total_cmp);
            p95_ms.insert(name, quantile(&took, 0.95));
        }
        let order =
            serde_json::json!({ "action": { "action": "retry" }, "filter": { "state": "dead" } });
        let mut times = Vec::new();
        for path in ["/v2/bulk-actions/preview", "/v2/bulk-actions"] {
            let begun = Instant::now();
            let answer = client
                .post(format!("{url}{path}"))
                .bearer_auth(key)
                .json(&order)
                .send()
                .await?;
            ensure!(answer.status().is_success(), "{path}: {}", answer.status());
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok(Figures {
            jobs: self.jobs,
            dead: self.dead,
            p95_ms,
            bulk_preview_ms: times[0],
            bulk_accepted_ms: times[1],
        })
    }
}
