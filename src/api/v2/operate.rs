//! Operating jobs: why one does not run, actions on a filter, runs, workers.

use super::jobs::Accepted;
use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use jobs::act_on_jobs::AcceptError;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use queue::{BulkAction, BulkError, Bulks, JobFilter, Overview};
use stores::Scope;

pub(crate) struct Operate {
    pub(crate) api: Api,
}

#[derive(Object)]
struct ExplanationView {
    job: i64,
    state: String,
    /// `ended`, `running`, `worker_silent`, `scheduled`, `paused`, `isolated`, `breaker`, `concurrency`,
    /// `no_worker`, `quarantined` or `in_line`.
    cause: String,
    reason: String,
    /// When it is expected to begin; absent when somebody has to do something first.
    eta: Option<String>,
    /// What will hold it up after that, as things are now.
    then: Vec<String>,
    /// The command that mends it, where one does.
    mend: Option<String>,
}

#[derive(Object)]
struct BulkOrder {
    /// `{"action": "retry", "per_second": 5}`, `{"action": "cancel"}`, `{"action": "delete"}`,
    /// `{"action": "reprioritise", "priority": "high"}` or `{"action": "move", "in_seconds": 60}`.
    action: serde_json::Value,
    /// Every part narrows: `state`, `kind`, `queue`, `partner`, `run_id`, `args`, `words`, `since`, `until`, `ids`.
    filter: serde_json::Value,
    /// A filter without any part is meant.
    #[oai(default)]
    all: bool,
}

#[derive(Object)]
struct PreviewView {
    jobs: i64,
    /// Jobs by whom they call; the empty name calls nobody.
    by_partner: std::collections::BTreeMap<String, i64>,
    by_state: std::collections::BTreeMap<String, i64>,
    sample: Vec<SampleView>,
}

#[derive(Object)]
struct SampleView {
    id: i64,
    kind: String,
    state: String,
}

#[derive(Object)]
struct ResultPage {
    results: Vec<ResultView>,
    /// Pass as `before` for the next page; absent on the last.
    next: Option<i64>,
}

#[derive(Object)]
struct ResultView {
    job: i64,
    result: String,
}

#[derive(Object)]
struct BulkView {
    id: i64,
    action: serde_json::Value,
    filter: serde_json::Value,
    who: String,
    matched: i64,
    done: i64,
    skipped: i64,
    created_at: String,
    ended_at: Option<String>,
}

impl From<queue::Bulk> for BulkView {
    fn from(bulk: queue::Bulk) -> Self {
        Self {
            id: bulk.id,
            action: serde_json::to_value(&bulk.action).unwrap_or_default(),
            filter: serde_json::to_value(&bulk.filter).unwrap_or_default(),
            who: bulk.who,
            matched: bulk.matched,
            done: bulk.done,
            skipped: bulk.skipped,
            created_at: bulk.created_at.to_string(),
            ended_at: bulk.ended_at.map(|at| at.to_string()),
        }
    }
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Everything | BulkError::State { .. } => Self::invalid(error.to_string()),
            BulkError::Sql(error) => error.into(),
            BulkError::Engine(error) => error.into(),
            BulkError::Stored { .. } => {
                tracing::error!(%error, "a stored action");
                Self::internal()
            }
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Bulk(error) => error.into(),
            AcceptError::Engine(error) => error.into(),
            AcceptError::Store(error) => error.into(),
            AcceptError::Sql(error) => error.into(),
            AcceptError::Arguments(error) => Self::invalid(error.to_string()),
        }
    }
}

fn read(order: BulkOrder) -> Result<(BulkAction, JobFilter), Problem> {
    let action = serde_json::from_value(order.action)
        .map_err(|error| Problem::invalid(format!("action: {error}")))?;
    let filter = serde_json::from_value(order.filter)
        .map_err(|error| Problem::invalid(format!("filter: {error}")))?;
    Ok((action, filter))
}

#[OpenApi]
impl Operate {
    /// Why isn't it running, and when will it?
    #[oai(
        path = "/jobs/:id/explanation",
        method = "get",
        operation_id = "explain_job"
    )]
    async fn explain_job(&self, key: Key, id: Path<i64>) -> Result<Json<ExplanationView>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let why = queue::explain(&self.api.app.engine, id.0).await?;
        let why = why.ok_or_else(|| Problem::not_found("job", id.0))?;
        Ok(Json(ExplanationView {
            job: why.job,
            state: why.state.as_str().to_owned(),
            cause: why.cause.as_str().to_owned(),
            reason: why.reason,
            eta: why.eta.map(|at| at.to_string()),
            then: why.then,
            mend: why.mend,
        }))
    }

    /// What an action would touch.
    #[oai(
        path = "/bulk-actions/preview",
        method = "post",
        operation_id = "preview_bulk_action"
    )]
    async fn preview(
        &self,
        key: Key,
        order: Json<BulkOrder>,
    ) -> Result<Json<PreviewView>, Problem> {
        key.require(&self.api, Scope::Operate).await?;
        let (action, filter) = read(order.0)?;
        let mut conn = self.api.app.pool.acquire().await?;
        let preview = Bulks::preview(&mut conn, &action, &filter).await?;
        let sample = preview.sample.into_iter();
        Ok(Json(PreviewView {
            jobs: preview.jobs,
            by_partner: preview.by_partner,
            by_state: preview.by_state,
            sample: sample
                .map(|(id, kind, state)| SampleView { id, kind, state })
                .collect(),
        }))
    }

    /// Retries, cancels, deletes, reprioritises or moves every job of a filter, as a job of its own.
    #[oai(
        path = "/bulk-actions",
        method = "post",
        operation_id = "start_bulk_action"
    )]
    async fn start(&self, key: Key, order: Json<BulkOrder>) -> Result<Accepted, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let all = order.0.all;
        let (action, filter) = read(order.0)?;
        let app = &self.api.app;
        let (bulk, job) = jobs::act_on_jobs::accept(app, &action, &filter, all, &who.name).await?;
        let location = format!("/v2/bulk-actions/{}", bulk.id);
        Ok(Accepted::at(job, location))
    }

    #[oai(
        path = "/bulk-actions",
        method = "get",
        operation_id = "list_bulk_actions"
    )]
    async fn list(&self, key: Key) -> Result<Json<Vec<BulkView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let bulks = Bulks::list(&mut conn, 100).await?;
        Ok(Json(bulks.into_iter().map(Into::into).collect()))
    }

    #[oai(
        path = "/bulk-actions/:id",
        method = "get",
        operation_id = "get_bulk_action"
    )]
    async fn get(&self, key: Key, id: Path<i64>) -> Result<Json<BulkView>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let bulk = Bulks::find(&mut conn, id.0).await?;
        let bulk = bulk.ok_or_else(|| Problem::not_found("bulk action", id.0))?;
        Ok(Json(bulk.into()))
    }

    /// What came of each job, newest job first.
    #[oai(
        path = "/bulk-actions/:id/results",
        method = "get",
        operation_id = "list_bulk_results"
    )]
    async fn results(
        &self,
        key: Key,
        id: Path<i64>,
        before: Query<Option<i64>>,
    ) -> Result<Json<ResultPage>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let rows = Bulks::results(&mut conn, id.0, before.0, 500).await?;
        let next = rows.last().filter(|_| rows.len() == 500).map(|row| row.0);
        let results = rows
            .into_iter()
            .map(|(job, result)| ResultView { job, result })
            .collect();
        Ok(Json(ResultPage { results, next }))
    }

    /// What each cause started, newest first: `id`, `cause`, `subject`, counts by state.
    #[oai(path = "/runs", method = "get", operation_id = "list_runs")]
    async fn runs(
        &self,
        key: Key,
        before: Query<Option<i64>>,
    ) -> Result<Json<Vec<Any<queue::RunRecord>>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let runs = Overview::runs(&mut conn, before.0, 100).await?;
        Ok(Json(runs.into_iter().map(Any).collect()))
    }

    #[oai(path = "/runs/:id", method = "get", operation_id = "get_run")]
    async fn run(&self, key: Key, id: Path<i64>) -> Result<Json<Any<queue::RunRecord>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let run = Overview::run(&mut conn, id.0).await?;
        let run = run.ok_or_else(|| Problem::not_found("run", id.0))?;
        Ok(Json(Any(run)))
    }

    /// Worker processes: what they serve, when they were last heard of, what they hold.
    #[oai(path = "/workers", method = "get", operation_id = "list_workers")]
    async fn workers(&self, key: Key) -> Result<Json<Vec<Any<queue::WorkerRecord>>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let workers = Overview::workers(&mut conn).await?;
        Ok(Json(workers.into_iter().map(Any).collect()))
    }
}
