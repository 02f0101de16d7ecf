//! The operations console: server-rendered pages over the same stores and jobs as the API.
//!
//! Whoever has a key with scope `read` looks (viewer), with `operate` acts (operator). Pages work without
//! JavaScript; with it they are kept fresh while they are seen. Everything is served from here: no inline
//! script, no inline style, nothing from elsewhere.

mod act;
mod bulk;
mod form;
mod job;
mod mappings;
mod page;
mod partners;
mod queues;
mod runs;
mod schedules;
mod session;
mod sources;
mod stock;
mod tonight;
mod unit;
mod workers;

use crate::Api;
use form::Form;
use page::Page;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::web::sse::{Event, SSE};
use poem::{Body, IntoResponse, Request, Response};
use session::Session;
use std::time::Duration;
use stores::{Scope, SqlError, StoreError};

/// How often an open page looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// A form is small; anything larger is not one of ours.
const LARGEST_FORM: usize = 256 * 1024;

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");

/// What a page cannot be shown for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("there is no {0}")]
    NotFound(String),
    #[error("{0}")]
    Invalid(String),
    #[error("this needs a key with scope operate; yours may only look")]
    Forbidden,
    #[error("this page is too old: load it again")]
    Stale,
    #[error("something failed on our side; it is logged")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Trouble {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden | Self::Stale => StatusCode::FORBIDDEN,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

macro_rules! internal {
    ($($error:ty),+) => {
        $(impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                Self::Internal(error.into())
            }
        })+
    };
}
internal!(SqlError, StoreError, queue::EngineError, serde_json::Error);

type Res<T> = Result<T, Trouble>;

/// What a request comes to.
enum Answer {
    Page(Box<Page>),
    /// After an action: look at this, and read these words.
    See(String, String),
}

/// Every address of the console under `/console`, with what it needs. Tests walk this.
pub const ROUTES: &[(&str, &str, Scope)] = &[
    ("GET", "/", Scope::Read),
    ("GET", "/queues", Scope::Read),
    ("POST", "/queues/{queue}", Scope::Operate),
    ("GET", "/jobs", Scope::Read),
    ("POST", "/jobs/preview", Scope::Operate),
    ("POST", "/jobs/act", Scope::Operate),
    ("GET", "/jobs/{id}", Scope::Read),
    ("GET", "/bulk/{id}", Scope::Read),
    ("GET", "/runs", Scope::Read),
    ("GET", "/runs/{id}", Scope::Read),
    ("GET", "/schedules", Scope::Read),
    ("GET", "/schedules/{key}", Scope::Read),
    ("POST", "/schedules/{key}", Scope::Operate),
    ("GET", "/sources", Scope::Read),
    ("GET", "/sources/{source}", Scope::Read),
    ("POST", "/sources/{source}", Scope::Operate),
    ("GET", "/mappings/{mapping}", Scope::Read),
    ("GET", "/files/{file}", Scope::Read),
    ("POST", "/files/{file}", Scope::Operate),
    ("GET", "/stock", Scope::Read),
    ("GET", "/stock/{list}", Scope::Read),
    ("GET", "/units/{unit}", Scope::Read),
    ("POST", "/units/{unit}", Scope::Operate),
    ("GET", "/partners", Scope::Read),
    ("GET", "/partners/{name}", Scope::Read),
    ("POST", "/partners/{name}", Scope::Operate),
    ("GET", "/workers", Scope::Read),
];

/// Tells open pages to look again, for as long as they are seen. What has changed they find out themselves.
fn events() -> Response {
    let looks = futures::stream::unfold((), |()| async {
        tokio::time::sleep(LOOK_AGAIN).await;
        Some((Event::message("now").event_type("look"), ()))
    });
    SSE::new(looks)
        .keep_alive(Duration::from_secs(30))
        .into_response()
}

pub(crate) async fn answer(api: &Api, mut request: Request) -> Response {
    let path = request.original_uri().path().to_owned();
    let path = path.strip_prefix("/console").unwrap_or(&path).to_owned();
    let segments: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(form::unescaped)
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let response = match (request.method(), &segments[..]) {
        (&Method::GET, ["console.css"]) => asset("text/css; charset=utf-8", STYLE),
        (&Method::GET, ["console.js"]) => asset("text/javascript; charset=utf-8", SCRIPT),
        (&Method::GET, ["login"]) => html(StatusCode::OK, session::login_page(None)),
        (&Method::POST, ["login"]) => session::login(api, &mut request).await,
        (&Method::POST, ["logout"]) => session::logout(),
        _ => within(api, &mut request, &segments).await,
    };
    guarded(response)
}

/// Everything that needs somebody to have come in.
async fn within(api: &Api, request: &mut Request, segments: &[&str]) -> Response {
    let session = match session::of(api, request).await {
        Ok(Some(session)) => session,
        Ok(None) => return redirect("/console/login"),
        Err(trouble) => return failed(None, &trouble),
    };
    if segments == ["events"] && request.method() == Method::GET {
        return events();
    }
    match routed(api, &session, request, segments).await {
        Ok(Answer::Page(page)) => html(StatusCode::OK, page.render(&session)),
        Ok(Answer::See(to, words)) => {
            let mark = if to.contains('?') { '&' } else { '?' };
            redirect(&format!("{to}{mark}said={}", form::escaped(&words)))
        }
        Err(trouble) => failed(Some(&session), &trouble),
    }
}

async fn routed(
    api: &Api,
    session: &Session,
    request: &mut Request,
    segments: &[&str],
) -> Res<Answer> {
    let query = Form::parse(request.original_uri().query().unwrap_or_default());
    let shown = |page: Page| Ok(Answer::Page(Box::new(page.said(query.get("said")))));
    match (request.method().clone(), segments) {
        (Method::GET, []) => shown(tonight::page(api).await?),
        (Method::GET, ["queues"]) => shown(queues::page(api, session).await?),
        (Method::GET, ["jobs"]) => shown(job::list(api, session, &query).await?),
        (Method::GET, ["jobs", id]) => shown(job::one(api, session, number(id)?).await?),
        (Method::GET, ["bulk", id]) => shown(bulk::page(api, number(id)?).await?),
        (Method::GET, ["runs"]) => shown(runs::list(api, &query).await?),
        (Method::GET, ["runs", id]) => shown(runs::one(api, number(id)?).await?),
        (Method::GET, ["schedules"]) => shown(schedules::list(api, session).await?),
        (Method::GET, ["schedules", key]) => shown(schedules::one(api, session, key).await?),
        (Method::GET, ["sources"]) => shown(sources::list(api, session).await?),
        (Method::GET, ["sources", key]) => shown(sources::one(api, session, key).await?),
        (Method::GET, ["mappings", name]) => shown(mappings::one(api, name, &query).await?),
        (Method::GET, ["files", id]) => shown(sources::file(api, session, number(id)?).await?),
        (Method::GET, ["stock"]) => shown(stock::find(api, &query).await?),
        (Method::GET, ["stock", what]) => shown(stock::list(api, what, &query).await?),
        (Method::GET, ["units", id]) => shown(unit::page(api, session, number(id)?).await?),
        (Method::GET, ["partners"]) => shown(partners::list(api).await?),
        (Method::GET, ["partners", name]) => shown(partners::one(api, session, name).await?),
        (Method::GET, ["workers"]) => shown(workers::page(api).await?),
        (Method::POST, _) => {
            let form = Form::read(request, LARGEST_FORM).await?;
            session.may_act(&form)?;
            match segments {
                ["queues", queue] => act::queue(api, session, queue, &form).await,
                ["jobs", "preview"] => Ok(Answer::Page(Box::new(
                    bulk::preview(api, session, &form).await?,
                ))),
                ["jobs", "act"] => act::jobs(api, session, &form).await,
                ["schedules", key] => act::schedule(api, session, key, &form).await,
                ["sources", key] => act::source(api, session, key, &form).await,
                ["units", id] => unit::act(api, session, number(id)?, &form).await,
                ["files", id] => act::file(api, session, number(id)?, &form).await,
                ["partners", name] => act::partner(api, session, name, &form).await,
                _ => Err(nothing_here()),
            }
        }
        _ => Err(nothing_here()),
    }
}

fn nothing_here() -> Trouble {
    Trouble::NotFound("page here".to_owned())
}

fn number(text: &str) -> Res<i64> {
    text.parse()
        .map_err(|_| Trouble::NotFound(format!("number {text:?}")))
}

fn failed(session: Option<&Session>, trouble: &Trouble) -> Response {
    if let Trouble::Internal(error) = trouble {
        tracing::error!(%error, "a console page");
    }
    html(trouble.status(), page::trouble(session, trouble))
}

fn html(status: StatusCode, text: String) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from_string(text))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, kind)
        .header(header::CACHE_CONTROL, "max-age=300")
        .body(text)
}

fn redirect(to: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, to)
        .finish()
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
