//! Jobs: enqueue by kind, get, list.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use queue::{Engine, JobFilter, JobRecord, JobState};
use stores::Scope;

pub(crate) struct Jobs {
    pub(crate) api: Api,
}

#[derive(Object)]
struct JobView {
    id: i64,
    queue: String,
    partner: String,
    kind: String,
    /// `scheduled`, `ready`, `running`, `done`, `dead` or `cancelled`.
    state: String,
    attempt: i16,
    max_attempts: i16,
    snoozes: i32,
    rescues: i16,
    run_id: Option<i64>,
    created_at: String,
    run_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    worker: Option<String>,
    /// Why it waits, when it does.
    why: Option<String>,
    /// How far it is, in its own units: `done`, `total`, `what`.
    progress: Option<serde_json::Value>,
    args: serde_json::Value,
    report: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
}

impl From<JobRecord> for JobView {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id,
            queue: job.queue,
            partner: job.partner,
            kind: job.kind,
            state: job.state.as_str().to_owned(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            snoozes: job.snoozes,
            rescues: job.rescues,
            run_id: job.run_id,
            created_at: job.created_at.to_string(),
            run_at: job.run_at.to_string(),
            started_at: job.started_at.map(|at| at.to_string()),
            finished_at: job.finished_at.map(|at| at.to_string()),
            worker: job.worker,
            why: job.why,
            progress: job.progress,
            args: job.args,
            report: job.report,
            error: job.error,
        }
    }
}

#[derive(Object)]
struct JobPage {
    jobs: Vec<JobView>,
    /// Pass as `before` for the next page; absent on the last.
    next: Option<i64>,
}

#[derive(Object)]
struct LogView {
    attempt: i16,
    ended_at: String,
    lines: Vec<String>,
}

#[derive(Object)]
struct NewJob {
    /// A kind of the catalogue: `pull_source`, `build_feed`, …
    kind: String,
    args: serde_json::Value,
}

/// What a long request gets at once.
#[derive(Object)]
pub(crate) struct AcceptedJob {
    pub(crate) id: i64,
    /// The same work was already waiting; `id` is that job.
    pub(crate) existing: bool,
}

#[derive(ApiResponse)]
pub(crate) enum Accepted {
    /// The job is in the queue; `Location` tells how it goes.
    #[oai(status = 202)]
    Job(Json<AcceptedJob>, #[oai(header = "Location")] String),
}

impl Accepted {
    pub(crate) fn new(enqueued: queue::Enqueued) -> Self {
        let body = AcceptedJob {
            id: enqueued.id,
            existing: enqueued.existing,
        };
        Self::Job(Json(body), format!("/v2/jobs/{}", enqueued.id))
    }

    /// A job whose progress is told elsewhere.
    pub(crate) fn at(id: i64, location: String) -> Self {
        let existing = false;
        Self::Job(Json(AcceptedJob { id, existing }), location)
    }
}

/// Enqueues for a client, in a run that names the key.
pub(crate) async fn enqueue(
    api: &Api,
    order: queue::Enqueue,
    who: &str,
    subject: &str,
) -> Result<Accepted, Problem> {
    let mut tx = api.app.pool.begin().await?;
    let enqueued = enqueue_in(api, &mut tx, order, who, subject).await?;
    tx.commit().await?;
    Ok(Accepted::new(enqueued))
}

/// The same within the caller's transaction.
pub(crate) async fn enqueue_in(
    api: &Api,
    tx: &mut stores::PgConnection,
    order: queue::Enqueue,
    who: &str,
    subject: &str,
) -> Result<queue::Enqueued, Problem> {
    let run = queue::Runs::begin(tx, &format!("api key {who}"), subject).await?;
    let enqueued = api.app.engine.enqueue(tx, &[order.run(Some(run))]).await?;
    enqueued.first().copied().ok_or_else(Problem::internal)
}

#[OpenApi]
impl Jobs {
    /// Newest first.
    #[expect(
        clippy::too_many_arguments,
        reason = "one query parameter each; the document lists them"
    )]
    #[oai(path = "/jobs", method = "get", operation_id = "list_jobs")]
    async fn list_jobs(
        &self,
        key: Key,
        state: Query<Option<String>>,
        kind: Query<Option<String>>,
        queue: Query<Option<String>>,
        run_id: Query<Option<i64>>,
        partner: Query<Option<String>>,
        /// JSON contained in the arguments: `{"source":"bayview"}`.
        args: Query<Option<String>>,
        /// Words of the error, or of the reason it waits for.
        words: Query<Option<String>>,
        before: Query<Option<i64>>,
        /// At most 500; 50 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<JobPage>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let state = match state.0.as_deref() {
            None => None,
            Some(word) => Some(
                JobState::parse(word)
                    .ok_or_else(|| Problem::invalid(format!("no state is called {word:?}")))?,
            ),
        };
        let limit = limit.0.unwrap_or(50).clamp(1, 500);
        let args = args.0.map(|text| serde_json::from_str(&text));
        let args = args
            .transpose()
            .map_err(|error| Problem::invalid(format!("args: {error}")))?;
        let filter = JobFilter {
            state,
            kind: kind.0,
            queue: queue.0,
            run_id: run_id.0,
            partner: partner.0,
            args,
            words: words.0,
            ..JobFilter::default()
        };
        let mut conn = self.api.app.pool.acquire().await?;
        let jobs = queue::Jobs::list(&mut conn, &filter, before.0, limit).await?;
        let full = i64::try_from(jobs.len()).is_ok_and(|count| count == limit);
        let next = jobs.last().filter(|_| full).map(|job| job.id);
        Ok(Json(JobPage {
            jobs: jobs.into_iter().map(Into::into).collect(),
            next,
        }))
    }

    #[oai(path = "/jobs/:id", method = "get", operation_id = "get_job")]
    async fn get_job(&self, key: Key, id: Path<i64>) -> Result<Json<JobView>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let job = self.api.app.engine.find(id.0).await?;
        Ok(Json(
            job.ok_or_else(|| Problem::not_found("job", id.0))?.into(),
        ))
    }

    /// Ends a job that waits; has its worker drop it when it runs.
    #[oai(
        path = "/jobs/:id/cancel",
        method = "post",
        operation_id = "cancel_job"
    )]
    async fn cancel_job(&self, key: Key, id: Path<i64>) -> Result<Json<JobView>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let cancelled = self.api.app.engine.cancel(id.0, &who.name).await?;
        let job = self.api.app.engine.find(id.0).await?;
        let job = job.ok_or_else(|| Problem::not_found("job", id.0))?;
        if cancelled == queue::Cancelled::TooLate {
            let state = job.state.as_str();
            return Err(Problem::invalid(format!(
                "job {} has ended: it is {state}",
                id.0
            )));
        }
        let mut conn = self.api.app.pool.acquire().await?;
        stores::Audit::note(&mut conn, &who.name, "cancel", &format!("job {}", id.0)).await?;
        Ok(Json(job.into()))
    }

    /// What its attempts logged, oldest first.
    #[oai(
        path = "/jobs/:id/logs",
        method = "get",
        operation_id = "list_job_logs"
    )]
    async fn list_job_logs(&self, key: Key, id: Path<i64>) -> Result<Json<Vec<LogView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let logs = queue::Jobs::logs(&mut conn, id.0).await?;
        let views = logs.into_iter().map(|log| LogView {
            attempt: log.attempt,
            ended_at: log.ended_at.to_string(),
            lines: log.lines,
        });
        Ok(Json(views.collect()))
    }

    /// Puts a job in the queue. Work that is already waiting is not doubled.
    #[oai(path = "/jobs", method = "post", operation_id = "enqueue_job")]
    async fn enqueue_job(&self, key: Key, job: Json<NewJob>) -> Result<Accepted, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let NewJob { kind, args } = job.0;
        let order = self
            .api
            .catalogue
            .accept(&kind, args)
            .ok_or_else(|| Problem::not_found("kind of job called", &kind))?
            .map_err(|error| Problem::invalid(format!("arguments of {kind}: {error}")))?;
        enqueue(&self.api, order, &who.name, &kind).await
    }
}
