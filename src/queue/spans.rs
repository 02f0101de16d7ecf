//! One trace for whatever one cause began: its jobs, and the jobs they began.
//!
//! Nothing about a trace is stored or travels with a job. Its ids follow from the run's number and a secret that
//! every process of an installation shares, so that a claim costs nothing more and both engines agree.

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use std::cell::Cell;
use std::sync::OnceLock;
use tracing_opentelemetry::OpenTelemetrySpanExt;

static TRACING: OnceLock<Tracing> = OnceLock::new();

struct Tracing {
    secret: [u8; 32],
    provider: SdkTracerProvider,
}

/// From now on runs and jobs are traced. Every process of an installation must give the same secret.
pub fn trace_runs(secret: &[u8], provider: SdkTracerProvider) {
    let secret = blake3::derive_key("forecourt traces of runs", secret);
    let _ = TRACING.set(Tracing { secret, provider });
}

/// Random ids, but for the spans that begin a run.
#[derive(Clone, Debug, Default)]
pub struct RunIds(RandomIdGenerator);

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

impl IdGenerator for RunIds {
    fn new_trace_id(&self) -> TraceId {
        match NEXT.get() {
            Some((trace, _)) => trace,
            None => self.0.new_trace_id(),
        }
    }

    fn new_span_id(&self) -> SpanId {
        match NEXT.get() {
            Some((_, span)) => span,
            None => self.0.new_span_id(),
        }
    }
}

impl Tracing {
    fn ids(&self, of: &str, number: i64) -> (TraceId, SpanId) {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(of.as_bytes()).update(&number.to_be_bytes());
        let hash = *hasher.finalize().as_bytes();
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&hash[..16]);
        span.copy_from_slice(&hash[16..24]);
        (TraceId::from_bytes(trace), SpanId::from_bytes(span))
    }
}

/// The first span of a run; linked to the request that began it, if one did.
pub(crate) fn run_began(run: i64, cause: &str, subject: &str) {
    let Some(tracing) = TRACING.get() else { return };
    let tracer = tracing.provider.tracer("forecourt");
    let asked = tracing::Span::current().context();
    let mut builder = tracer.span_builder(format!("run {subject}"));
    builder.attributes = Some(vec![
        KeyValue::new("run.id", run),
        KeyValue::new("run.cause", cause.to_owned()),
    ]);
    NEXT.set(Some(tracing.ids("run", run)));
    let span = tracer.build_with_context(builder, &Context::new());
    NEXT.set(None);
    let context = Context::new().with_span(span);
    let request = asked.span().span_context().clone();
    if request.is_valid() {
        context.span().add_link(request, Vec::new());
    }
    context.span().end();
}

/// Puts an attempt's span under its run, or with the other attempts of a job that has none.
pub(crate) fn join(span: &tracing::Span, run: Option<i64>, job: i64) {
    let Some(tracing) = TRACING.get() else { return };
    let (trace, parent) = match run {
        Some(run) => tracing.ids("run", run),
        None => tracing.ids("job", job),
    };
    let parent = SpanContext::new(trace, parent, TraceFlags::SAMPLED, true, TraceState::NONE);
    // It fails for a span that no exporter wants.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}
