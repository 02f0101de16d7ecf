//! What watches a process from outside: is it alive, can it work, what did it do. Every role has it: on the API's
//! address, and on `FORECOURT_WATCH_LISTEN` when that is set.

use crate::Api;
use crate::problem::Problem;
use jiff::Timestamp;
use jobs::App;
use poem::http::{StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Route, get};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use queue::{Health, Meters, Overview, Partner};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use stores::{Alerts, Keys, Schedules, Scope};

/// 200 when everything works, else 503; either way each part and its problem.
pub(crate) async fn ready(
    app: &App,
    search: Option<&crate::IndexTailer>,
    workers: Option<&Health>,
) -> Response {
    let mut problems = Vec::new();
    if let Err(error) = app.pool.acquire().await {
        problems.push(format!("database: {error}"));
    }
    if let Err(error) = app.objects.check().await {
        problems.push(format!("object storage: {error}"));
    }
    if search.is_some_and(|search| !search.ready()) {
        problems.push("the search index is being built".to_owned());
    }
    if let Some(workers) = workers {
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

/// For processes without an API: nothing of the stock, and no key is asked for.
pub(crate) fn routes(app: Arc<App>, workers: Option<Arc<Health>>) -> impl Endpoint {
    let ready = poem::endpoint::make(move |_| {
        let (app, workers) = (app.clone(), workers.clone());
        async move { ready(&app, None, workers.as_deref()).await }
    });
    Route::new()
        .at("/health/live", get(poem::endpoint::make_sync(|_| "ok\n")))
        .at("/health/ready", get(ready))
        .at(
            "/metrics",
            get(poem::endpoint::make_sync(|_| text_of(String::new()))),
        )
}

/// Of this process and of the whole installation, for whoever has a key that may read.
pub(crate) async fn metrics(api: &Api, request: Request) -> Result<Response, Problem> {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(Problem::unauthorized)?;
    let mut conn = api.app.pool.acquire().await?;
    let key = Keys::find(&mut conn, token.trim()).await?;
    if key.ok_or_else(Problem::unauthorized)?.scope < Scope::Read {
        return Err(Problem::forbidden(Scope::Read.as_str()));
    }
    drop(conn);
    Ok(text_of(installation(api).await?))
}

fn text_of(more: String) -> Response {
    let mut said = Meters::of_process().render();
    said.push_str(&more);
    said.push_str("# EOF\n");
    Response::builder()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(said)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    queue: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfShare {
    queue: String,
    quantile: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartner {
    partner: String,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSchedule {
    schedule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAlert {
    what: String,
    severity: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: String,
}

type Seconds<L> = Family<L, Gauge<f64, AtomicU64>>;

/// Read from the database when asked: any process with an API tells the same.
async fn installation(api: &Api) -> Result<String, Problem> {
    let mut registry = Registry::with_prefix("forecourt");
    let mut conn = api.app.pool.acquire().await?;
    let now = stores::now(&mut conn).await?;
    let queues = Overview::queues(&mut conn).await?;
    let shut = Partner::list_shut(&mut conn).await?;
    let alerts = Alerts::open(&mut conn).await?;
    let schedules = Schedules::list(&mut conn).await?;
    let sources = stores::Sources::list(&mut conn).await?;
    let workers = Overview::workers(&mut conn).await?;
    drop(conn);

    let (depth, oldest, latency) = (
        Family::<OfState, Gauge>::default(),
        Seconds::<OfQueue>::default(),
        Seconds::<OfShare>::default(),
    );
    let (paused, serving) = (
        Family::<OfQueue, Gauge>::default(),
        Family::<OfQueue, Gauge>::default(),
    );
    for stats in queues {
        let queue = stats.queue;
        let of = OfQueue {
            queue: queue.clone(),
        };
        for (state, count) in [
            ("ready", stats.ready),
            ("scheduled", stats.scheduled),
            ("running", stats.running),
        ] {
            let queue = queue.clone();
            depth.get_or_create(&OfState { queue, state }).set(count);
        }
        oldest.get_or_create(&of).set(stats.oldest_ready_seconds);
        paused
            .get_or_create(&of)
            .set(i64::from(stats.paused_by.is_some()));
        serving.get_or_create(&of).set(stats.workers);
        for (quantile, seconds) in [("0.5", stats.p50_seconds), ("0.95", stats.p95_seconds)] {
            if let Some(seconds) = seconds {
                let queue = queue.clone();
                latency
                    .get_or_create(&OfShare { queue, quantile })
                    .set(seconds);
            }
        }
    }
    registry.register("queue_jobs", "Jobs that have not ended", depth);
    registry.register(
        "queue_oldest_ready_seconds",
        "How long the longest waiting job has been due",
        oldest,
    );
    registry.register("queue_paused", "1 while an operator holds it", paused);
    registry.register("queue_workers", "Living workers that serve it", serving);
    registry.register(
        "queue_due_to_done_seconds",
        "From due to done, over the last five minutes",
        latency,
    );
    registry.register(
        "workers_alive",
        "Worker processes heard of in the last ten seconds",
        gauge(workers.iter().filter(|w| w.silent_seconds < 10.0).count()),
    );

    let breakers = Family::<OfPartner, Gauge>::default();
    for partner in shut {
        let state = partner.state.as_str().to_owned();
        let partner = partner.name;
        breakers.get_or_create(&OfPartner { partner, state }).set(1);
    }
    registry.register(
        "partner_shut",
        "1 for each partner whose breaker is open or isolated",
        breakers,
    );
    let open = Family::<OfAlert, Gauge>::default();
    for alert in alerts {
        let (what, severity) = (alert.what, alert.severity);
        open.get_or_create(&OfAlert { what, severity }).inc();
    }
    registry.register("alerts_open", "What needs somebody", open);

    let late = Seconds::<OfSchedule>::default();
    for schedule in schedules.into_iter().filter(|s| s.paused_by.is_none()) {
        let lag = jobs::loops::next_tick(&schedule, schedule.ticked_to)
            .map_or(0.0, |next| seconds_since(next, now));
        let schedule = schedule.key;
        late.get_or_create(&OfSchedule { schedule }).set(lag);
    }
    registry.register(
        "schedule_late_seconds",
        "How long a tick has been due that nobody has judged; 0 when none is",
        late,
    );
    let heard = Seconds::<OfSource>::default();
    for source in sources.into_iter().filter(|source| !source.paused) {
        if let Some(at) = source.last_file_at {
            let source = source.key;
            heard
                .get_or_create(&OfSource { source })
                .set(seconds_since(at, now));
        }
    }
    registry.register(
        "source_silent_seconds",
        "Since the last file of a source arrived",
        heard,
    );
    registry.register(
        "search_listings",
        "Listings in this process's search index",
        gauge(api.search.index.snapshot().len()),
    );
    let mut said = String::new();
    text::encode_registry(&mut said, &registry).map_err(|_| Problem::internal())?;
    Ok(said)
}

fn gauge(count: usize) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    gauge
}

fn seconds_since(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}
