//! What a process says of itself: lines on standard error, each attempt's own log, traces over OTLP.

use crate::config;
use anyhow::{Context, Result};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use queue::{AttemptLog, RunIds};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

pub(crate) fn start() -> Result<()> {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(EnvFilter::new(config::log_filter()));
    // What a job logs is kept with its attempt, whatever the filter on standard error. No spans: they would
    // cost every job something.
    let kept = AttemptLog.with_filter(filter_fn(|meta| {
        meta.is_event() && *meta.level() <= tracing::Level::INFO
    }));
    let spans = match config::value("OTEL_EXPORTER_OTLP_ENDPOINT") {
        None => None,
        Some(endpoint) => {
            let provider = provider(&endpoint).context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            let tracer = provider.tracer("forecourt");
            let _ = PROVIDER.set(provider);
            // The exporter's own requests must not be traced.
            let ours = filter_fn(|meta| {
                meta.is_span() && *meta.level() <= tracing::Level::INFO && ours(meta.target())
            });
            Some(
                tracing_opentelemetry::layer()
                    .with_tracer(tracer)
                    .with_filter(ours),
            )
        }
    };
    tracing_subscriber::registry()
        .with(spans)
        .with(kept)
        .with(lines)
        .init();
    Ok(())
}

fn ours(target: &str) -> bool {
    let floor = target.split("::").next().unwrap_or_default();
    ["queue", "partners", "jobs", "api", "forecourt", "stores"].contains(&floor)
}

/// By HTTP with protocol buffers; the standard's other `OTEL_` variables (headers, service name, attributes)
/// are the exporter's to read.
fn provider(endpoint: &str) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()?;
    let service = config::value("OTEL_SERVICE_NAME").unwrap_or_else(|| "forecourt".to_owned());
    Ok(SdkTracerProvider::builder()
        .with_id_generator(RunIds::default())
        .with_resource(Resource::builder().with_service_name(service).build())
        .with_batch_exporter(exporter)
        .build())
}

/// Once the installation's secret is known, its runs are traced.
pub(crate) fn trace_runs(secret: &[u8]) {
    if let Some(provider) = PROVIDER.get() {
        queue::trace_runs(secret, provider.clone());
    }
}

/// Sends what has not been sent.
pub(crate) fn end() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown()
    {
        eprintln!("forecourt: the last traces were not sent: {error}");
    }
}
