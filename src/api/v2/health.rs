//! Whether this process can do its work, and what keeps it from doing so.

use crate::Api;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};

/// 200 when everything works, else 503; either way each part and its problem.
pub(crate) async fn ready(api: &Api) -> Response {
    let mut problems = Vec::new();
    if let Err(error) = api.app.pool.acquire().await {
        problems.push(format!("database: {error}"));
    }
    if let Err(error) = api.app.objects.check().await {
        problems.push(format!("object storage: {error}"));
    }
    if !api.search.ready() {
        problems.push("the search index is being built".to_owned());
    }
    if let Some(workers) = &api.workers {
        problems.extend(workers.problems());
    }
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({ "ready": problems.is_empty(), "problems": problems });
    Response::builder()
        .status(status)
        .content_type("application/json")
        .body(body.to_string())
        .into_response()
}
