//! Asking again for what a host gave out before, and no more at once of one host than it can take.

use super::{Fetched, Fetcher};
use crate::PartnerError;
use crate::gate;
use reqwest::StatusCode;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a host said of a body when it gave it out (RFC 9110, 8.8); shown to it when it is asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    pub etag: Option<String>,
    pub modified: Option<String>,
}

/// A host's own words are kept no longer than this.
const LONGEST: usize = 512;
/// Photos asked of one host at once, by this process.
const OF_ONE_HOST: usize = 6;
/// Hosts remembered before those that nobody asks are forgotten.
const MOST_HOSTS: usize = 1_000;

impl Validators {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let said = |name: HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            (text.len() <= LONGEST).then(|| text.to_owned())
        };
        Self {
            etag: said(ETAG),
            modified: said(LAST_MODIFIED),
        }
    }
}

impl Fetcher {
    /// The body of a URL as [`Fetcher::get`] has it; `None` when it is still what the host gave out before.
    pub async fn get_changed(
        &self,
        url: &str,
        known: &Validators,
    ) -> Result<Option<Fetched>, PartnerError> {
        let host = self.judged(url, url)?;
        let host = host.host_str().unwrap_or_default().to_ascii_lowercase();
        let _turn = self.hosts.turn(&host).await;
        gate::through(&*self.gate, &format!("photos {host}"), || async {
            let response = self
                .answer(url, |mut request, _| {
                    // The time says less than the tag: another file behind a redirect may be older (RFC 9110, 13.1.3).
                    if let Some(etag) = &known.etag {
                        request = request.header(IF_NONE_MATCH, etag);
                    } else if let Some(modified) = &known.modified {
                        request = request.header(IF_MODIFIED_SINCE, modified);
                    }
                    request
                })
                .await?;
            let asked = known.etag.is_some() || known.modified.is_some();
            if asked && response.status() == StatusCode::NOT_MODIFIED {
                return Ok(None);
            }
            self.body(url, response, self.settings.largest)
                .await
                .map(Some)
        })
        .await
    }
}

/// Whose turn it is, by host.
#[derive(Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Hosts {
    /// Given back when it is dropped.
    pub(super) async fn turn(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if hosts.len() >= MOST_HOSTS {
                hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            let turns = hosts.entry(host.to_owned());
            turns
                .or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_HOST)))
                .clone()
        };
        // It is never closed.
        turns.acquire_owned().await.ok()
    }
}
