//! HTTP: authorise, parse, call a store or enqueue, map. No work is done here: whatever takes
//! longer than a request is a job.
//!
//! `/v1` is the flat vehicle shape of old clients, `/v2` the listing envelope. They share stores
//! and jobs, never types. Errors are RFC 9457 problem documents with a stable code.

mod auth;
mod console;
mod index_tailer;
mod problem;
mod v1;
mod v2;
mod watch;

pub use console::ROUTES as CONSOLE_ROUTES;
pub use index_tailer::IndexTailer;

use jobs::App;
use poem::http::header;
use poem::middleware::{CatchPanic, Cors};
use poem::{Endpoint, EndpointExt, IntoResponse, Route, get};
use poem_openapi::OpenApiService;
use queue::Health;
use std::sync::Arc;
use tracing::Instrument;

/// What handlers work with.
#[derive(Clone)]
pub struct Api {
    pub app: Arc<App>,
    pub catalogue: Arc<queue::Catalogue<App>>,
    pub search: Arc<IndexTailer>,
    /// Of the workers in this process, if it has any.
    pub workers: Option<Arc<Health>>,
}

/// A bulk put may be this large.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// A body says how long it is, and is not too long. A request without a body says nothing.
async fn bounded<E: Endpoint>(routes: Arc<E>, request: poem::Request) -> poem::Result<E::Output> {
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    match length.map(str::parse::<usize>) {
        Some(Ok(length)) if length <= LARGEST_BODY => {}
        Some(_) => return Err(problem::Problem::too_large(LARGEST_BODY).into()),
        None if request.headers().contains_key(header::TRANSFER_ENCODING) => {
            return Err(problem::Problem::length_required().into());
        }
        None => {}
    }
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
    );
    routes.call(request).instrument(span).await
}

pub fn routes(api: Api) -> impl Endpoint {
    let (v1, v2) = (v1::service(&api), v2::service(&api));
    let ready = {
        let api = api.clone();
        poem::endpoint::make(move |_| {
            let api = api.clone();
            async move { watch::ready(&api.app, Some(&api.search), api.workers.as_deref()).await }
        })
    };
    let metrics = {
        let api = api.clone();
        poem::endpoint::make(move |request| {
            let api = api.clone();
            async move {
                let told = watch::metrics(&api, request).await;
                told.map_err(poem::Error::from)
            }
        })
    };
    let console = {
        let api = api.clone();
        poem::endpoint::make(move |request| {
            let api = api.clone();
            async move { console::answer(&api, request).await }
        })
    };
    Route::new()
        .nest("/console", console)
        .at("/health/live", get(poem::endpoint::make_sync(|_| "ok\n")))
        .at("/health/ready", get(ready))
        .at("/metrics", get(metrics))
        .at("/openapi/v1.json", get(v1.spec_endpoint()))
        .at("/openapi/v2.json", get(v2.spec_endpoint()))
        .nest("/v1", v1)
        .nest("/v2", v2)
        .around(bounded)
        .with(Cors::new())
        .with(CatchPanic::new().with_handler(|_| problem::Problem::internal().into_response()))
        .catch_all_error(problem::respond)
}

/// The two documents, as they are written to `openapi/`.
pub fn documents(api: &Api) -> [(&'static str, String); 2] {
    [
        ("v1.json", pretty(&v1::service(api))),
        ("v2.json", pretty(&v2::service(api))),
    ]
}

fn pretty<A: poem_openapi::OpenApi, W: poem_openapi::Webhook>(
    service: &OpenApiService<A, W>,
) -> String {
    let spec: serde_json::Value = serde_json::from_str(&service.spec()).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&spec).unwrap_or_default();
    text.push('\n');
    text
}

/// Serves until told to stop; requests under way may finish for a moment. The bound address.
pub async fn serve(
    api: Api,
    listen: std::net::SocketAddr,
    stop: tokio_util::sync::CancellationToken,
) -> std::io::Result<(std::net::SocketAddr, tokio::task::JoinHandle<()>)> {
    listen_with(routes(api), listen, stop).await
}

/// Health and metrics alone, for a process of any role.
pub async fn serve_watch(
    app: Arc<App>,
    workers: Option<Arc<Health>>,
    listen: std::net::SocketAddr,
    stop: tokio_util::sync::CancellationToken,
) -> std::io::Result<(std::net::SocketAddr, tokio::task::JoinHandle<()>)> {
    listen_with(watch::routes(app, workers), listen, stop).await
}

async fn listen_with(
    routes: impl Endpoint + 'static,
    listen: std::net::SocketAddr,
    stop: tokio_util::sync::CancellationToken,
) -> std::io::Result<(std::net::SocketAddr, tokio::task::JoinHandle<()>)> {
    use poem::listener::{Acceptor, Listener, TcpListener};
    let acceptor = TcpListener::bind(listen).into_acceptor().await?;
    let address = acceptor
        .local_addr()
        .iter()
        .find_map(|local| local.as_socket_addr().copied())
        .unwrap_or(listen);
    let server = tokio::spawn(async move {
        let ended = poem::Server::new_with_acceptor(acceptor)
            .run_with_graceful_shutdown(
                routes,
                async move { stop.cancelled().await },
                Some(std::time::Duration::from_secs(5)),
            )
            .await;
        if let Err(error) = ended {
            tracing::error!(%error, "the api server ended");
        }
    });
    Ok((address, server))
}
