//! Fetching what a dealer's file names: any URL, so none is trusted.
//!
//! Only `http` and `https`; only hosts that the lists allow; only public addresses, judged after the name is
//! resolved, on every redirect; bounded in size, time and redirects. Addresses of ours are reached only by a host that
//! the settings name. No proxy, no cookies, no credentials in URLs. Nothing is unpacked: an answer that is coded all the
//! same is refused, so that none can grow. What a body is, its first bytes say, not its host.

mod addresses;
mod again;
mod ask;
mod download;

use addresses::{NOT_PUBLIC, PublicOnly, public};
pub use again::Validators;
pub use ask::{Ask, Content, Method};
pub use download::Download;

use crate::gate::{self, Gate, OpenGate};
use crate::{ErrorKind, PartnerError};
use futures::StreamExt;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Hosts that stand on addresses of ours, and where: the demo's and the tests' sandbox.
    pub ours: HashMap<String, SocketAddr>,
    /// Hosts that may be asked; every one when there are none. `example.com` is that host, `.example.com` it and all
    /// below it.
    pub allow: Vec<String>,
    /// Hosts that are never asked, whatever is allowed.
    pub deny: Vec<String>,
    /// Of one body, in bytes.
    pub largest: usize,
    /// Bodies that grow past so many bytes wait for one of so many places: what is in memory stays bounded, whatever
    /// hosts send.
    pub large: (usize, usize),
    /// For the whole answer.
    pub timeout: Duration,
    pub redirects: usize,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            ours: HashMap::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            largest: 64 * 1024 * 1024,
            large: (8 * 1024 * 1024, 4),
            timeout: Duration::from_secs(30),
            redirects: 5,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// What the host claims it is.
    pub content_type: Option<String>,
    pub validators: Validators,
    /// Of a large one; given back when its bytes are.
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

/// Shown to a host as HTTP's Basic scheme has it (RFC 7617).
#[derive(Clone, Debug)]
pub struct Login {
    pub username: String,
    pub password: SecretString,
}

#[derive(Clone)]
pub struct Fetcher {
    client: Client,
    settings: Arc<FetchSettings>,
    gate: Arc<dyn Gate>,
    hosts: Arc<again::Hosts>,
    places: Arc<Semaphore>,
}

const LONGEST_URL: usize = 2_048;
const CONNECT: Duration = Duration::from_secs(10);
/// A large body waits so long for its place, and is asked for once more so much later.
const PLACE: Duration = Duration::from_secs(2);
/// A service's answer is no photo: it is read as a whole.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// A literal address is never resolved, so it is judged as it stands.
pub(crate) fn leads_inside(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    // RFC 6761, 6.3: these names lead nowhere else, whatever a resolver says.
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let local = name == "localhost" || name.ends_with(".localhost");
    let literal = literal.parse::<IpAddr>();
    local || literal.is_ok_and(|address| !public(address))
}

/// An address for the world to ask, not for us: no list of ours holds, but where nobody can come, or who asks would show a login,
/// nothing is shown.
pub fn may_be_shown(url: &str) -> Result<Url, String> {
    if url.contains(char::is_control) {
        return Err(format!("{url:?} has characters that cannot be seen"));
    }
    let parsed = Url::parse(url).map_err(|error| format!("{url:?} is no url: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!("{url:?} does not begin with https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("a login does not stand in an address that everybody is shown".to_owned());
    }
    match leads_inside(&parsed) || !parsed.has_host() {
        true => Err(format!("{url:?} is nowhere that others can come")),
        false => Ok(parsed),
    }
}

impl Fetcher {
    pub fn new(settings: FetchSettings) -> Result<Self, PartnerError> {
        let places = Arc::new(Semaphore::new(settings.large.1));
        let settings = Arc::new(settings);
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(settings.timeout)
            .user_agent(concat!("forecourt/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(PublicOnly(settings.clone())))
            .build()
            .map_err(|error| {
                PartnerError::new(ErrorKind::Refused, "set up", "fetching", told(&error))
            })?;
        Ok(Self {
            client,
            settings,
            gate: Arc::new(OpenGate),
            hosts: Arc::default(),
            places,
        })
    }

    /// Whether an address is one of the hosts that the settings name.
    pub fn is_ours(&self, url: &str) -> bool {
        let host = Url::parse(url).ok();
        let host = host.and_then(|url| url.host_str().map(str::to_ascii_lowercase));
        host.is_some_and(|host| self.settings.ours.contains_key(&host))
    }

    /// Whether an address may be asked at all, before anybody resolves its host.
    pub fn may_ask(&self, url: &str) -> Result<(), PartnerError> {
        self.judged(url, url).map(|_| ())
    }

    /// Calls go by this gate from now on.
    #[must_use]
    pub fn behind(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = gate;
        self
    }

    /// The body of a URL, wherever its redirects lead. Its host is a partner: `photos HOST`.
    pub async fn get(&self, url: &str) -> Result<Fetched, PartnerError> {
        let fetched = self.get_changed(url, &Validators::default()).await?;
        fetched.ok_or_else(|| {
            let message = "it is not modified, which nobody asked".to_owned();
            PartnerError::new(ErrorKind::Corrupt, "fetch", url, message)
        })
    }

    /// The first answer that is no redirect; every address on the way is judged.
    async fn answer(
        &self,
        url: &str,
        ask: impl Fn(RequestBuilder, &Url) -> RequestBuilder,
    ) -> Result<Response, PartnerError> {
        let mut at = self.judged(url, url)?;
        for _ in 0..=self.settings.redirects {
            let response = ask(self.client.get(at.clone()), &at).send().await;
            let response = response.map_err(|error| failed(url, &error))?;
            let status = response.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION);
            let Some(to) = to.and_then(|to| to.to_str().ok()) else {
                let message = format!("status {status}, and does not say where to");
                return Err(PartnerError::new(ErrorKind::Refused, "fetch", url, message));
            };
            let next = at.join(to).map_err(|error| {
                let message = format!("redirects to {to:?}: {error}");
                PartnerError::new(ErrorKind::Refused, "fetch", url, message)
            })?;
            at = self.judged(url, next.as_str())?;
        }
        let message = format!("redirects more than {} times", self.settings.redirects);
        Err(PartnerError::new(ErrorKind::Refused, "fetch", url, message))
    }

    /// Everything that can be judged before a name is resolved.
    fn judged(&self, asked: &str, url: &str) -> Result<Url, PartnerError> {
        let refused = |message: String| {
            let target: String = asked.chars().take(200).collect();
            PartnerError::new(ErrorKind::Refused, "fetch", target, message)
        };
        if url.len() > LONGEST_URL {
            return Err(refused(format!(
                "a url of {} bytes, it may have {LONGEST_URL}",
                url.len()
            )));
        }
        let parsed = Url::parse(url).map_err(|error| refused(format!("no url: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            let scheme = parsed.scheme();
            return Err(refused(format!("{scheme} is not http or https")));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused("a url with credentials".to_owned()));
        }
        let host = parsed
            .host_str()
            .ok_or_else(|| refused("a url without a host".to_owned()))?;
        // The resolver names the port of a host of ours; a URL must not choose another.
        let ours = self.settings.ours.contains_key(&host.to_ascii_lowercase());
        if listed(&self.settings.deny, host) {
            return Err(refused(format!(
                "{host} is on the list of hosts that are never asked"
            )));
        }
        if !ours && !self.settings.allow.is_empty() && !listed(&self.settings.allow, host) {
            return Err(refused(format!(
                "{host} is not on the list of hosts that may be asked"
            )));
        }
        if ours && (parsed.port().is_some() || parsed.scheme() != "http") {
            return Err(refused(format!("{host} is ours, on its own port only")));
        }
        if leads_inside(&parsed) {
            return Err(refused(format!("leads to {host}, which is not public")));
        }
        Ok(parsed)
    }

    async fn body(
        &self,
        url: &str,
        response: reqwest::Response,
        largest: usize,
    ) -> Result<Fetched, PartnerError> {
        let status = response.status();
        if !status.is_success() {
            return Err(answered(url, status, &response));
        }
        uncoded(url, &response)?;
        let too_large = |bytes: u64| {
            let message = format!("{bytes} bytes or more, {largest} are allowed");
            PartnerError::new(ErrorKind::Refused, "fetch", url, message)
        };
        let most = u64::try_from(largest).unwrap_or(u64::MAX);
        if let Some(length) = response.content_length().filter(|length| *length > most) {
            return Err(too_large(length));
        }
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok().map(str::to_owned));
        let validators = Validators::of(response.headers());
        let (mut bytes, mut place) = (Vec::new(), None);
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| failed(url, &error))?);
            if bytes.len() > largest {
                return Err(too_large(most));
            }
            if bytes.len() > self.settings.large.0 && place.is_none() {
                place = Some(self.place(url).await?);
            }
        }
        Ok(Fetched {
            bytes,
            content_type,
            validators,
            _place: place,
        })
    }

    /// Of a large body. Its host is not at fault when there is none.
    async fn place(&self, url: &str) -> Result<Arc<OwnedSemaphorePermit>, PartnerError> {
        let place = tokio::time::timeout(PLACE, self.places.clone().acquire_owned()).await;
        if let Ok(Ok(place)) = place {
            return Ok(Arc::new(place));
        }
        let message = format!(
            "{} bodies of more than {} bytes are on their way: this one waits",
            self.settings.large.1, self.settings.large.0
        );
        let mut error = PartnerError::new(ErrorKind::Shut, "fetch", url, message);
        error.retry_after = Some(PLACE);
        Err(error)
    }
}

/// We ask for bytes as they are.
fn uncoded(url: &str, response: &Response) -> Result<(), PartnerError> {
    let coding = response.headers().get(CONTENT_ENCODING);
    let coding = coding.map(|coding| coding.to_str().unwrap_or("something"));
    match coding {
        None => Ok(()),
        Some(plain) if plain.is_empty() || plain.eq_ignore_ascii_case("identity") => Ok(()),
        Some(coding) => {
            let message = format!("the answer is coded as {coding:?}, which nobody asked for");
            Err(PartnerError::new(ErrorKind::Corrupt, "fetch", url, message))
        }
    }
}

/// `.example.com` is that host and all below it.
fn listed(list: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.iter().any(|entry| match entry.strip_prefix('.') {
        Some(domain) => host == domain || host.ends_with(entry.as_str()),
        None => host == *entry,
    })
}

/// A login is for the host it was given for.
fn shown(request: RequestBuilder, login: Option<&Login>, first: &Url, at: &Url) -> RequestBuilder {
    match login {
        Some(login) if at.origin() == first.origin() => {
            request.basic_auth(&login.username, Some(login.password.expose_secret()))
        }
        _ => request,
    }
}

fn answered(url: &str, status: StatusCode, response: &reqwest::Response) -> PartnerError {
    let kind = match status {
        // S3 answers 403 for an object that is not there: one picture's fault, not its host's.
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => ErrorKind::NotFound,
        StatusCode::UNAUTHORIZED => ErrorKind::Denied,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::Refused,
    };
    let wait = response.headers().get(RETRY_AFTER);
    let wait = wait.and_then(|wait| wait.to_str().ok());
    // Measured against the partner's own clock, when it tells it.
    let now = response
        .headers()
        .get(DATE)
        .and_then(|date| date.to_str().ok());
    let now = now.and_then(gate::http_date);
    let words = wait.map_or(String::new(), |wait| format!(", retry after {wait}"));
    let mut error = PartnerError::new(kind, "fetch", url, format!("status {status}{words}"));
    error.retry_after = wait.and_then(|wait| gate::retry_after(wait, now));
    error
}

fn failed(url: &str, error: &reqwest::Error) -> PartnerError {
    let message = told(error);
    // A request that cannot be made was never sent: its partner is not at fault.
    let kind = if message.contains(NOT_PUBLIC) || error.is_builder() {
        ErrorKind::Refused
    } else if error.is_timeout() {
        ErrorKind::TimedOut
    } else {
        ErrorKind::Unavailable
    };
    PartnerError::new(kind, "fetch", url, message)
}

/// The innermost words: the outer ones only repeat the URL.
fn told(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_hosts_and_domains() {
        let list = ["photos.example.com".to_owned(), ".dealer.com".to_owned()];
        for (host, on_it) in [
            ("photos.example.com", true),
            ("PHOTOS.example.com.", true),
            ("x.photos.example.com", false),
            ("dealer.com", true),
            ("cdn.dealer.com", true),
            ("notdealer.com", false),
        ] {
            assert_eq!(listed(&list, host), on_it, "{host}");
        }
    }

    #[test]
    fn a_body_is_what_its_first_bytes_say() {
        assert_eq!(Content::of(b"\xef\xbb\xbf {\"a\": 1}"), Content::Json);
        assert_eq!(Content::of(b"\n<!DOCTYPE html>"), Content::Html);
        assert_eq!(Content::of(b""), Content::Other);
    }

    #[test]
    fn only_public_addresses_are_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "ff02::1",
        ] {
            assert!(!public(inside.parse().expect("an address")), "{inside}");
        }
        for outside in ["1.1.1.1", "93.184.216.34", "2606:4700::1111"] {
            assert!(public(outside.parse().expect("an address")), "{outside}");
        }
    }
}
