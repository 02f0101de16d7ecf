//! Telling somebody by HTTP: one POST of JSON to an address the operator chose.

use crate::gate::{self, Gate};
use crate::{ErrorKind, PartnerError};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, redirect};
use std::sync::Arc;
use std::time::Duration;

/// The operator's own address, so a private one is as good as any; it is never followed elsewhere.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    url: String,
    gate: Arc<dyn Gate>,
}

const TIMEOUT: Duration = Duration::from_secs(10);

impl Webhook {
    pub fn new(url: &str, gate: Arc<dyn Gate>) -> Result<Self, PartnerError> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("forecourt/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                PartnerError::new(
                    ErrorKind::Refused,
                    "set up",
                    "the webhook",
                    error.to_string(),
                )
            })?;
        Ok(Self {
            client,
            url: url.to_owned(),
            gate,
        })
    }

    /// `key` names what is told: a receiver that has seen it need not act again.
    pub async fn post(&self, key: &str, body: &str) -> Result<(), PartnerError> {
        gate::through(&*self.gate, "webhook", || self.post_once(key, body)).await
    }

    async fn post_once(&self, key: &str, body: &str) -> Result<(), PartnerError> {
        // The address may carry a secret: errors name its host at most.
        let failed =
            |kind, message: String| PartnerError::new(kind, "post to", "the webhook", message);
        let request = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key)
            .body(body.to_owned());
        let response = request.send().await.map_err(|error| {
            let kind = if error.is_timeout() {
                ErrorKind::TimedOut
            } else {
                ErrorKind::Unavailable
            };
            failed(kind, error.without_url().to_string())
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let kind = match status.as_u16() {
            429 => ErrorKind::Throttled,
            401 | 403 => ErrorKind::Denied,
            500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Refused,
        };
        let mut error = failed(kind, format!("status {status}"));
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|wait| wait.to_str().ok());
        error.retry_after = wait.and_then(|wait| gate::retry_after(wait, None));
        Err(error)
    }
}
