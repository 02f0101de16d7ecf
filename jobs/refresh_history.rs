//! Ask a history provider about vehicles, read its pages, and tell when they cannot be read any more.
//!
//! Starts: `decode_vins`, for units it knows nothing of; itself, while more is due; its schedule, for what is old.
//! Reads: `enrichment_due`, the provider. Writes: `history_reports`, the page as it came under `history/`, what is
//! reported on `listings`, `contradictions`, an alert when pages cannot be read.
//! Twice: what was answered is due no more, and the same report is the same row.

use crate::App;
use crate::batch::{Batch, each};
use crate::enrichment::{self, Asking, refresh};
use crate::providers::{bearer, settings};
use crate::reported::apply;
use partners::history::{Selectors, fetch};
use partners::{ErrorKind, PartnerError};
use queue::{Job, JobContext, JobError, Outcome, Policy, QueueName, Unique};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stores::{
    Alerts, Due, Histories, HistoryReport, PgConnection, Provider, ProviderKind, ReportState,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshHistory {
    pub provider: String,
}

const BATCH: i64 = 50;
/// A report is a page of text; what is larger is none, and its tree would be many times as large.
const LARGEST_PAGE: usize = 2 * 1024 * 1024;
/// And of so many elements at most: a page of elements within elements takes a time that grows with their square.
const MOST_TAGS: usize = 30_000;
/// Who knows none of so many vehicles is perhaps not asked where it answers.
const SUSPICIOUS: i64 = 20;

impl Job for RefreshHistory {
    type App = App;
    const NAME: &'static str = "refresh_history";
    const POLICY: Policy = Policy {
        queue: QueueName::Lookups,
        timeout: Duration::from_secs(10 * 60),
        unique: Unique::WhileQueued,
        ..Policy::DEFAULT
    };

    fn key(&self) -> Option<String> {
        Some(self.provider.clone())
    }

    fn partner(&self) -> Option<String> {
        Some(Provider::partner_of(ProviderKind::History, &self.provider))
    }

    async fn run(self, app: &App, cx: &JobContext) -> Result<Outcome, JobError> {
        let provider = match enrichment::find(app, &self.provider, ProviderKind::History).await? {
            Ok(provider) => provider,
            Err(end) => return Ok(end),
        };
        let Some(selectors) = settings(&provider).selectors else {
            let why = format!("provider {:?} has no selectors", provider.name);
            return Err(JobError::reject_because(why));
        };
        let asking = Pages {
            app,
            provider: &provider,
            selectors,
            shown: bearer(app, &provider)?,
        };
        refresh(app, cx, &provider, BATCH, &asking).await
    }
}

struct Pages<'a> {
    app: &'a App,
    provider: &'a Provider,
    selectors: Selectors,
    shown: Option<SecretString>,
}

impl Asking for Pages<'_> {
    type Answer = HistoryReport;

    async fn ask(&self, due: Vec<Due>) -> Result<Batch<HistoryReport>, JobError> {
        let unread = |report: &HistoryReport| report.state == ReportState::Drift;
        let mut batch = each(self.provider, due, unread, |vin| self.page(vin)).await;
        let mut conn = self.app.pool.acquire().await?;
        let rounds = Histories::unread_today(&mut conn, &self.provider.name).await?;
        batch.unread(rounds, unread, |report| report.vin.clone());
        Ok(batch)
    }

    async fn keep(&self, tx: &mut PgConnection, reports: &[HistoryReport]) -> Result<(), JobError> {
        Histories::keep(tx, reports).await?;
        let vins: Vec<String> = reports.iter().map(|report| report.vin.clone()).collect();
        apply(tx, &vins).await?;
        tell_drift(tx, &self.provider.name).await
    }
}

impl Pages<'_> {
    /// One page; a vehicle that the provider does not know is an answer, and so is a page that cannot be read.
    async fn page(&self, vin: String) -> Result<Option<HistoryReport>, PartnerError> {
        let (app, provider) = (self.app, self.provider);
        let url = provider.url.replace("{vin}", &vin);
        let mut report = HistoryReport {
            provider: provider.name.clone(),
            state: ReportState::None,
            owners: None,
            accidents: None,
            title_brand: None,
            records: serde_json::json!([]),
            report_url: None,
            raw_key: None,
            problem: None,
            vin,
        };
        let page = match fetch(&app.fetcher, &provider.partner(), &url, self.shown.as_ref()).await {
            Ok(page) => page,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Some(report)),
            Err(error) => return Err(error),
        };
        let tags = page.iter().filter(|byte| **byte == b'<').count();
        let too_large = match page.len() > LARGEST_PAGE {
            true => Some(format!(
                "{} bytes, a report may have {LARGEST_PAGE}",
                page.len()
            )),
            false => {
                (tags > MOST_TAGS).then(|| format!("{tags} tags, a report may have {MOST_TAGS}"))
            }
        };
        if too_large.is_some() {
            (report.state, report.problem) = (ReportState::Drift, too_large);
            return Ok(Some(report));
        }
        let raw_key = format!("history/{}", blake3::hash(&page).to_hex());
        let put = app.objects.put(&raw_key, page.clone(), "text/html");
        put.await?;
        report.raw_key = Some(raw_key);
        // What follows a `?` may be our key.
        report.report_url = url.split('?').next().map(str::to_owned);
        // A page may be built to be slow to read: not on a thread that others wait for.
        let (selectors, vin) = (self.selectors.clone(), report.vin.clone());
        let read = tokio::task::spawn_blocking(move || selectors.read(&vin, &page));
        let read = read.await.map_err(|ended| PartnerError {
            kind: ErrorKind::Corrupt,
            operation: "read",
            target: url,
            message: ended.to_string(),
            retry_after: None,
        })?;
        match read {
            Ok(told) => {
                report.state = ReportState::Told;
                report.owners = told.owners.and_then(|owners| i32::try_from(owners).ok());
                report.accidents = told.accidents.and_then(|n| i32::try_from(n).ok());
                report.title_brand = told.title_brand;
                report.records = serde_json::json!(told.records);
            }
            Err(drift) => {
                report.state = ReportState::Drift;
                report.problem = Some(drift.to_string());
            }
        }
        Ok(Some(report))
    }
}

/// Never a silent blank: pages that cannot be read are an alert until they can.
async fn tell_drift(tx: &mut PgConnection, provider: &str) -> Result<(), JobError> {
    match Histories::drifted(tx, provider).await? {
        (0, _) => Alerts::resolve(tx, "history_drift", provider).await?,
        (pages, example) => {
            let example = example.unwrap_or_default();
            let message = format!(
                "{pages} of its pages cannot be read; its selectors want mending, then `providers put`: {example}"
            );
            Alerts::raise(tx, "history_drift", "critical", provider, &message).await?;
        }
    }
    match Histories::known(tx, provider).await? {
        (0, unknown @ SUSPICIOUS..) => {
            let message = format!(
                "it knows none of {unknown} vehicles; perhaps its address is wrong: mended, then `providers put`, they are asked again"
            );
            Alerts::raise(tx, "history_unknown", "warning", provider, &message).await?;
        }
        _ => Alerts::resolve(tx, "history_unknown", provider).await?,
    }
    Ok(())
}
