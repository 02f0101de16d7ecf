//! Providers: services that are asked about vehicles, or take their photos.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use ::jobs::providers::{KNOWN_VIN, ProviderOrder, ask_one};
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;
use stores::Scope;

pub(crate) struct Providers {
    pub(crate) api: Api,
}

#[derive(Object)]
struct ProviderView {
    name: String,
    /// `vin`, `history`, `valuation` or `upload`.
    kind: String,
    /// Without its query: there may be a key in it.
    url: String,
    enabled: bool,
    /// What it said is asked again after so many days.
    refresh_days: i32,
    /// Vehicles or photos that may be asked about now.
    due: i64,
    /// Those that failed and wait for their next try.
    failing: i64,
    /// Answers that are kept.
    answers: i64,
    /// Of those, vehicles that it knows nothing of.
    unknown: i64,
    /// Pages that could not be read.
    unreadable: i64,
    oldest_due_at: Option<String>,
    /// Of one that fails.
    problem: Option<String>,
}

/// A provider as it shall be. What is left out is as for a new one, but for the secret, which stays while the host is the
/// same.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewProvider {
    /// `vin`, `history`, `valuation` or `upload`.
    kind: String,
    /// With `{vin}` for a history, `{digest}` for an upload; `s3:PREFIX` uploads to our own storage.
    url: String,
    /// A valuation's `CLIENT:SECRET`; what others are shown as a bearer. Never shown again.
    secret: Option<String>,
    refresh_days: Option<i32>,
    /// Calls under way at once; 4 unless told.
    at_once: Option<i32>,
    disabled: Option<bool>,
    /// Of a history: how its page is read, as `docs/providers.md` says.
    selectors: Option<Any<Value>>,
    /// Of a valuation.
    token_url: Option<String>,
    region: Option<String>,
    /// Of an upload to our own storage: where the world sees it, as `https://photos.example.com`.
    shown_at: Option<String>,
    /// And how wide its smaller copies are, in pixels; at most eight.
    sizes: Option<Vec<u32>>,
}

#[derive(Object)]
struct ProviderMade {
    name: String,
    /// That asks it about what is old.
    schedule: String,
}

#[derive(Object)]
struct ProviderGone {
    name: String,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct ProviderTry {
    /// An Accord of 2003 unless told.
    vin: Option<String>,
}

#[derive(Object)]
struct ProviderAnswer {
    vin: String,
    answer: String,
}

#[OpenApi]
impl Providers {
    #[oai(path = "/providers", method = "get", operation_id = "list_providers")]
    async fn list_providers(&self, key: Key) -> Result<Json<Vec<ProviderView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let views = stores::Providers::views(&mut conn).await?;
        let view = |view: stores::ProviderView| ProviderView {
            name: view.name,
            kind: view.kind,
            url: view.url.split('?').next().unwrap_or_default().to_owned(),
            enabled: view.enabled,
            refresh_days: view.refresh_days,
            due: view.due,
            failing: view.failing,
            answers: view.answers,
            unknown: view.unknown,
            unreadable: view.drifted,
            oldest_due_at: view.oldest_due_at.map(|at| at.to_string()),
            problem: view.problem,
        };
        Ok(Json(views.into_iter().map(view).collect()))
    }

    /// Makes a provider, or changes it to what is given.
    #[oai(
        path = "/providers/:provider",
        method = "put",
        operation_id = "put_provider"
    )]
    async fn put_provider(
        &self,
        key: Key,
        provider: Path<String>,
        wanted: Json<NewProvider>,
    ) -> Result<Json<ProviderMade>, Problem> {
        let who = key.require(&self.api, Scope::Admin).await?;
        let wanted = wanted.0;
        let selectors = wanted.selectors.map(|said| serde_json::from_value(said.0));
        let selectors = selectors
            .transpose()
            .map_err(|error| Problem::invalid(format!("selectors: {error}")))?;
        let order = ProviderOrder {
            kind: wanted.kind,
            url: wanted.url,
            secret: wanted.secret.map(Into::into),
            refresh_days: wanted.refresh_days,
            at_once: wanted.at_once,
            disabled: wanted.disabled.unwrap_or(false),
            selectors,
            token_url: wanted.token_url.unwrap_or_default(),
            region: wanted.region.unwrap_or_default(),
            shown_at: wanted.shown_at.unwrap_or_default(),
            sizes: wanted.sizes.unwrap_or_default(),
        };
        ::jobs::providers::put(&self.api.app, &provider.0, order, &who.name).await?;
        Ok(Json(ProviderMade {
            schedule: format!("refresh-{}", provider.0),
            name: provider.0,
        }))
    }

    /// Removes it, with what is due and all it said: its title brands and worths stand no more.
    #[oai(
        path = "/providers/:provider",
        method = "delete",
        operation_id = "remove_provider"
    )]
    async fn remove_provider(
        &self,
        key: Key,
        provider: Path<String>,
    ) -> Result<Json<ProviderGone>, Problem> {
        let who = key.require(&self.api, Scope::Admin).await?;
        ::jobs::providers::remove(&self.api.app, &provider.0, &who.name).await?;
        Ok(Json(ProviderGone { name: provider.0 }))
    }

    /// Asks it about one vehicle now, and says what came.
    #[oai(
        path = "/providers/:provider/tries",
        method = "post",
        operation_id = "try_provider"
    )]
    async fn try_provider(
        &self,
        key: Key,
        provider: Path<String>,
        wanted: Json<ProviderTry>,
    ) -> Result<Json<ProviderAnswer>, Problem> {
        key.require(&self.api, Scope::Operate).await?;
        let vin = wanted.0.vin.unwrap_or_else(|| KNOWN_VIN.to_owned());
        let vin = domain::Vin::parse(&vin).map_err(|error| Problem::invalid(error.to_string()))?;
        let mut conn = self.api.app.pool.acquire().await?;
        let provider = stores::Providers::get(&mut conn, &provider.0).await?;
        drop(conn);
        let answer = ask_one(&self.api.app, &provider, vin.as_str()).await?;
        Ok(Json(ProviderAnswer {
            vin: vin.to_string(),
            answer,
        }))
    }
}
