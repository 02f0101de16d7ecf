//! Questions to services: what is sent, and what an answer must be.

use super::{Fetched, Fetcher, LARGEST_ANSWER, failed};
use crate::{ErrorKind, PartnerError, gate};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};

/// What a body is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Json,
    Html,
    Other,
}

impl Content {
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[') => Self::Json,
            Some(b'<') => Self::Html,
            _ => Self::Other,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Html => "a web page",
            Self::Other => "something else",
        }
    }
}

/// A question to a service. Answering it twice does no harm: it may be asked again when the line broke.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub method: Method,
    pub url: &'a str,
    /// As `Authorization` has it.
    pub authorization: Option<&'a SecretString>,
    pub content_type: &'a str,
    pub body: Vec<u8>,
    /// What the answer must be.
    pub wanted: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
}

impl Fetcher {
    /// Asks a service, as `partner`. Redirects of a plain question are followed, its authorization shown to the first
    /// host only; of any other they are refused.
    pub async fn ask(&self, partner: &str, ask: &Ask<'_>) -> Result<Fetched, PartnerError> {
        let first = self.judged(ask.url, ask.url)?;
        let largest = LARGEST_ANSWER.min(self.settings.largest);
        gate::through(&*self.gate, partner, || async {
            let response = match ask.method {
                Method::Get => {
                    let shown = |request: RequestBuilder, at: &Url| match ask.authorization {
                        Some(secret) if at.origin() == first.origin() => {
                            request.header(AUTHORIZATION, secret.expose_secret())
                        }
                        _ => request,
                    };
                    self.answer(ask.url, shown).await?
                }
                Method::Post | Method::Put => self.sent(ask, &first).await?,
            };
            let fetched = self
                .body(ask.url, response, largest)
                .await
                .map_err(denied)?;
            let found = Content::of(&fetched.bytes);
            if ask.wanted != Content::Other && found != ask.wanted {
                let message = format!(
                    "the answer is {}, not {}",
                    found.words(),
                    ask.wanted.words()
                );
                return Err(PartnerError::new(
                    ErrorKind::Corrupt,
                    "ask",
                    ask.url,
                    message,
                ));
            }
            Ok(fetched)
        })
        .await
    }

    async fn sent(&self, ask: &Ask<'_>, to: &Url) -> Result<Response, PartnerError> {
        let mut request = match ask.method {
            Method::Put => self.client.put(to.clone()),
            _ => self.client.post(to.clone()),
        };
        if let Some(secret) = ask.authorization {
            request = request.header(AUTHORIZATION, secret.expose_secret());
        }
        request = request.header(CONTENT_TYPE, ask.content_type);
        let response = request.body(ask.body.clone()).send().await;
        let response = response.map_err(|error| failed(ask.url, &error))?;
        if response.status().is_redirection() {
            let message = "redirects, and what is sent is not sent elsewhere";
            return Err(PartnerError::new(
                ErrorKind::Refused,
                "ask",
                ask.url,
                message,
            ));
        }
        Ok(response)
    }
}

/// A storage says 403 for a photo that is not there; a service that says it will not serve us.
fn denied(mut error: PartnerError) -> PartnerError {
    if error.kind == ErrorKind::NotFound && error.message.starts_with("status 403") {
        error.kind = ErrorKind::Denied;
    }
    error
}
