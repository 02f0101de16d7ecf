//! Who asks, and whether they may.

use crate::Api;
use crate::problem::Problem;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use stores::{ApiKey, Keys, Scope};

/// A key from `forecourt keys create`.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", rename = "key")]
pub(crate) struct Key(Bearer);

impl Key {
    /// The key, if it has the scope or a higher one.
    pub(crate) async fn require(&self, api: &Api, scope: Scope) -> Result<ApiKey, Problem> {
        let mut conn = api.app.pool.acquire().await?;
        let key = Keys::find(&mut conn, &self.0.token)
            .await?
            .ok_or_else(Problem::unauthorized)?;
        if key.scope >= scope {
            Ok(key)
        } else {
            Err(Problem::forbidden(scope.as_str()))
        }
    }
}
