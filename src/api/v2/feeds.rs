//! Feeds: list, build, runs, what was left out, download.

use super::jobs::{Accepted, enqueue};
use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::{Attachment, AttachmentType, Json};
use poem_openapi::{Object, OpenApi};
use stores::{FeedRun, Scope};

pub(crate) struct Feeds {
    pub(crate) api: Api,
}

#[derive(Object)]
struct FeedView {
    key: String,
    name: String,
    /// The run that is published now.
    latest: Option<RunView>,
}

#[derive(Object)]
struct RunView {
    id: i64,
    job_id: i64,
    started_at: String,
    finished_at: Option<String>,
    /// `building`, `published`, `unchanged` or `held`.
    state: String,
    held_reason: Option<String>,
    rows: i64,
    excluded: i64,
    bytes: i64,
    /// BLAKE3 of the feed's bytes.
    digest: Option<String>,
    /// How many listings each reason kept out.
    diagnostics: serde_json::Value,
    previous_run_id: Option<i64>,
}

impl From<FeedRun> for RunView {
    fn from(run: FeedRun) -> Self {
        Self {
            id: run.id,
            job_id: run.job_id,
            started_at: run.started_at.to_string(),
            finished_at: run.finished_at.map(|at| at.to_string()),
            state: run.state,
            held_reason: run.held_reason,
            rows: run.rows,
            excluded: run.excluded,
            bytes: run.bytes,
            digest: run.digest,
            diagnostics: run.diagnostics,
            previous_run_id: run.previous_run_id,
        }
    }
}

#[derive(Object)]
struct ExclusionView {
    listing_id: i64,
    reasons: Vec<String>,
}

#[OpenApi]
impl Feeds {
    #[oai(path = "/feeds", method = "get", operation_id = "list_feeds")]
    async fn list_feeds(&self, key: Key) -> Result<Json<Vec<FeedView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let mut views = Vec::new();
        for feed in stores::Feeds::list(&mut conn).await? {
            let latest = match feed.latest_run_id {
                Some(id) => Some(stores::Feeds::run(&mut conn, id).await?.into()),
                None => None,
            };
            views.push(FeedView {
                key: feed.key,
                name: feed.name,
                latest,
            });
        }
        Ok(Json(views))
    }

    /// Builds the feed now, as a job.
    #[oai(
        path = "/feeds/:feed/runs",
        method = "post",
        operation_id = "build_feed"
    )]
    async fn build_feed(&self, key: Key, feed: Path<String>) -> Result<Accepted, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let known = stores::Feeds::find(&mut *self.api.app.pool.acquire().await?, &feed.0).await?;
        let feed = known.ok_or_else(|| Problem::not_found("feed", &feed.0))?;
        let order = queue::Enqueue::of(&jobs::BuildFeed {
            feed: feed.key.clone(),
        })
        .map_err(|error| Problem::invalid(error.to_string()))?;
        enqueue(&self.api, order, &who.name, &format!("feed {}", feed.key)).await
    }

    /// Newest first.
    #[oai(
        path = "/feeds/:feed/runs",
        method = "get",
        operation_id = "list_feed_runs"
    )]
    async fn list_feed_runs(
        &self,
        key: Key,
        feed: Path<String>,
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<RunView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let limit = limit.0.unwrap_or(50).clamp(1, 500);
        let mut conn = self.api.app.pool.acquire().await?;
        let runs = stores::Feeds::runs(&mut conn, &feed.0, limit).await?;
        Ok(Json(runs.into_iter().map(Into::into).collect()))
    }

    /// Which listings a run left out, and every reason why.
    #[oai(
        path = "/feed-runs/:run/exclusions",
        method = "get",
        operation_id = "list_feed_exclusions"
    )]
    async fn list_feed_exclusions(
        &self,
        key: Key,
        run: Path<i64>,
        /// Go on above this listing id.
        after: Query<Option<i64>>,
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<ExclusionView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let limit = limit.0.unwrap_or(500).clamp(1, 5_000);
        let mut conn = self.api.app.pool.acquire().await?;
        let exclusions =
            stores::Feeds::exclusions(&mut conn, run.0, after.0.unwrap_or(0), limit).await?;
        Ok(Json(
            exclusions
                .into_iter()
                .map(|e| ExclusionView {
                    listing_id: e.listing_id,
                    reasons: e.reasons,
                })
                .collect(),
        ))
    }

    /// The published feed, or the version of one run.
    #[oai(
        path = "/feeds/:feed/download",
        method = "get",
        operation_id = "download_feed"
    )]
    async fn download_feed(
        &self,
        key: Key,
        feed: Path<String>,
        run: Query<Option<i64>>,
    ) -> Result<Attachment<Vec<u8>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let run = {
            let mut conn = self.api.app.pool.acquire().await?;
            let known = stores::Feeds::find(&mut conn, &feed.0).await?;
            let known = known.ok_or_else(|| Problem::not_found("feed", &feed.0))?;
            let id = run.0.or(known.latest_run_id);
            let id = id.ok_or_else(|| Problem::not_found("published run of feed", &feed.0))?;
            stores::Feeds::run(&mut conn, id).await?
        };
        let object_key = match run.object_key {
            Some(object_key) if run.feed == feed.0 => object_key,
            _ => return Err(Problem::not_found("version of this feed by run", run.id)),
        };
        let bytes = self.api.app.objects.get(&object_key).await?;
        let name = object_key.rsplit('/').next().unwrap_or("feed").to_owned();
        Ok(Attachment::new(bytes)
            .attachment_type(AttachmentType::Attachment)
            .filename(format!("{}-{name}", feed.0)))
    }
}
