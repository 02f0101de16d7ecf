//! Every partner that is called by HTTP, on one port of this machine, told apart by the host that is asked for.
//!
//! | host | what it is |
//! |---|---|
//! | `photos.test` | photos, and files as web servers give them out ([`photos`]) |
//! | `vpic.test` | the VIN decoder of the NHTSA: batches of fifty ([`vpic`]) |
//! | `history.test` | a vehicle's report, as a web page ([`history`]) |
//! | `values.test` | what a vehicle is worth at auction, with tokens and a quota ([`values`]) |
//! | `uploads.test` | takes photos in, once each ([`uploads`]) |
//!
//! Each misbehaves as [`Faults`] says, from the next request on.

mod faults;
mod history;
mod photos;
mod uploads;
mod values;
mod vpic;

pub use faults::{Faults, PartnerFaults, Wrong};
pub use photos::Served;

use crate::{EmbeddedError, io};
use faults::Fault;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Dropping it stops listening.
#[derive(Debug)]
pub struct Sandbox {
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    faults: Mutex<Faults>,
    /// Requests by partner since the start.
    requests: Mutex<HashMap<&'static str, u64>>,
    files: photos::Files,
    uploads: uploads::Shelf,
    tokens: values::Tokens,
}

/// Of one request.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Longer than any client waits.
const HANG: Duration = Duration::from_secs(600);

/// A request, whole.
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: HeaderName) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

type Reply = Response<Full<Bytes>>;

impl Sandbox {
    /// The hosts, each with the name that faults and counts know it by. `.test` is nobody's (RFC 6761).
    pub const PARTNERS: [(&str, &str); 5] = [
        ("photos.test", "photos"),
        ("vpic.test", "vpic"),
        ("history.test", "history"),
        ("values.test", "values"),
        ("uploads.test", "uploads"),
    ];
    /// Orders that make its services providers, by name: JSON.
    pub const PROVIDERS: &str = include_str!("sandbox/providers.json");

    /// `port` 0 is any free one.
    pub async fn start(port: u16) -> Result<Self, EmbeddedError> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(io("listen for partners", format!("127.0.0.1:{port}")))?;
        let address = listener
            .local_addr()
            .map_err(io("listen for partners", "address"))?;
        let state = Arc::<State>::default();
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let state = shared.clone();
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let state = state.clone();
                        async move { state.answer(request).await }
                    });
                    // A service that fails hangs up.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            state,
            accepting,
        })
    }

    /// What it is reached as, for a fetcher's settings.
    pub fn hosts(&self) -> HashMap<String, SocketAddr> {
        Self::hosts_at(self.address)
    }

    /// The same of one that another process serves.
    pub fn hosts_at(address: SocketAddr) -> HashMap<String, SocketAddr> {
        Self::PARTNERS
            .iter()
            .map(|(host, _)| ((*host).to_owned(), address))
            .collect()
    }

    /// Gives a file out from now on, instead of any of its name.
    pub fn serve(&self, name: &str, file: Served) {
        self.state.files.put(name, file);
    }

    /// Every partner misbehaves so from the next request on.
    pub fn misbehave(&self, faults: Faults) {
        *held(&self.state.faults) = faults;
    }

    /// Answered since the start, by all of them.
    pub fn requests(&self) -> u64 {
        held(&self.state.requests).values().sum()
    }

    /// Asked of one of them since the start.
    pub fn requests_of(&self, partner: &str) -> u64 {
        let requests = held(&self.state.requests);
        requests.get(partner).copied().unwrap_or_default()
    }

    /// Photos that were taken in, and how often each was sent.
    pub fn uploaded(&self) -> Vec<(String, u32)> {
        self.state.uploads.all()
    }

    /// What the history's service reports of these vehicles, as the CSV that it leaves on a drop.
    pub fn badge_file(vins: &[String]) -> String {
        history::badge_file(vins)
    }

    /// The bytes of the picture that says a photo is coming.
    pub fn placeholder() -> Vec<u8> {
        photos::placeholder()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Result<Reply, HungUp> {
        let host = request.headers().get(HOST).and_then(|h| h.to_str().ok());
        let host = host.unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let partner = Sandbox::PARTNERS.iter().find(|(known, _)| *known == host);
        let (_, partner) = *partner.unwrap_or(&Sandbox::PARTNERS[0]);
        let nth = {
            let mut requests = held(&self.requests);
            let count = requests.entry(partner).or_default();
            *count += 1;
            *count
        };
        let ways = held(&self.faults).of(partner).clone();
        if ways.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(ways.latency_ms)).await;
        }
        match ways.of_request(partner, nth) {
            None => {}
            Some(Fault::Error) => return Ok(failed(StatusCode::SERVICE_UNAVAILABLE)),
            Some(Fault::Denied) => return Ok(failed(StatusCode::FORBIDDEN)),
            Some(Fault::Throttled) => {
                let mut reply = failed(StatusCode::TOO_MANY_REQUESTS);
                reply
                    .headers_mut()
                    .insert(RETRY_AFTER, ways.retry_after_s.into());
                return Ok(reply);
            }
            Some(Fault::Reset) => return Err(HungUp),
            Some(Fault::Hang) => tokio::time::sleep(HANG).await,
            Some(Fault::Wrong(wrong)) => return Ok(wrong_content(wrong)),
        }
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let Ok(body) = body else {
            return Ok(failed(StatusCode::PAYLOAD_TOO_LARGE));
        };
        let asked = Asked {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: body.to_bytes(),
        };
        if faults::poisoned(&ways.poison, &asked.path, &asked.body) {
            let status = StatusCode::from_u16(ways.poison_status);
            return Ok(failed(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)));
        }
        Ok(match partner {
            "vpic" => vpic::answer(&asked),
            "history" => history::answer(&asked, ways.redesigned),
            "values" => values::answer(&asked, &self.tokens, ways.quota_per_minute),
            "uploads" => self.uploads.answer(&asked),
            _ => photos::answer(&asked, &self.files),
        })
    }
}

/// What ends a connection without an answer.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up")
    }
}
impl std::error::Error for HungUp {}

fn held<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reply(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(bytes.into()));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    reply(status, "application/json", value.to_string())
}

fn failed(status: StatusCode) -> Reply {
    let words = status.canonical_reason().unwrap_or_default();
    reply(status, "text/plain", words)
}

fn wrong_content(wrong: Wrong) -> Reply {
    match wrong {
        Wrong::Page => reply(
            StatusCode::OK,
            "text/html",
            "<!DOCTYPE html><html><body>Please log in</body></html>",
        ),
        Wrong::Empty => reply(StatusCode::OK, "application/json", ""),
        Wrong::Cut => reply(
            StatusCode::OK,
            "application/json",
            "{\"Results\":[{\"VIN\":\"1HG",
        ),
    }
}

/// A number that follows from some words, evenly spread.
fn rolled(words: &str) -> u64 {
    let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut z = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
