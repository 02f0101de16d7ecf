//! Files of any size, onto a disk of ours.

use super::{Fetcher, Login, answered, failed, shown, uncoded};
use crate::gate;
use crate::sftp::LARGEST_FILE;
use crate::{ErrorKind, PartnerError};
use futures::StreamExt;
use reqwest::StatusCode;
use reqwest::header::{IF_MODIFIED_SINCE, LAST_MODIFIED};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const LONGEST_DOWNLOAD: Duration = Duration::from_secs(30 * 60);

/// What came of asking for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Download {
    /// Since when, in seconds since 1970, as its host says.
    Arrived {
        modified: Option<i64>,
    },
    NotModified,
}

impl Fetcher {
    /// A file of any size into `stage`, unless it has not changed since a time its host told. Its host is asked as
    /// `partner`; a login is shown to the first host only, wherever redirects lead.
    pub async fn download(
        &self,
        partner: &str,
        url: &str,
        login: Option<&Login>,
        since: Option<i64>,
        stage: &Path,
    ) -> Result<Download, PartnerError> {
        gate::through(&*self.gate, partner, || {
            self.download_once(url, login, since, stage)
        })
        .await
    }

    /// The address answers; its body is left alone.
    pub async fn reach(
        &self,
        partner: &str,
        url: &str,
        login: Option<&Login>,
    ) -> Result<(), PartnerError> {
        let first = self.judged(url, url)?;
        gate::through(&*self.gate, partner, || async {
            let response = self
                .answer(url, |request, at| shown(request, login, &first, at))
                .await?;
            match response.status() {
                status if status.is_success() => Ok(()),
                status => Err(answered(url, status, &response)),
            }
        })
        .await
    }

    async fn download_once(
        &self,
        url: &str,
        login: Option<&Login>,
        since: Option<i64>,
        stage: &Path,
    ) -> Result<Download, PartnerError> {
        let first = self.judged(url, url)?;
        let response = self
            .answer(url, |mut request, at| {
                request = request.timeout(LONGEST_DOWNLOAD);
                if let Some(since) = since.and_then(gate::in_http) {
                    request = request.header(IF_MODIFIED_SINCE, since);
                }
                shown(request, login, &first, at)
            })
            .await?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Download::NotModified);
        }
        if !status.is_success() {
            return Err(answered(url, status, &response));
        }
        uncoded(url, &response)?;
        let modified = response.headers().get(LAST_MODIFIED);
        let modified = modified.and_then(|at| gate::http_date(at.to_str().ok()?));
        let told = response.content_length();
        let ours = |e: std::io::Error| {
            let message = format!("{}: {e}", stage.display());
            PartnerError::new(ErrorKind::Refused, "stage", url, message)
        };
        let mut kept = tokio::fs::File::create(stage).await.map_err(ours)?;
        let mut bytes = 0;
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| failed(url, &error))?;
            bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            if bytes > LARGEST_FILE {
                let message = format!("more than the {LARGEST_FILE} bytes a file may have");
                return Err(PartnerError::new(ErrorKind::Corrupt, "fetch", url, message));
            }
            kept.write_all(&chunk).await.map_err(ours)?;
        }
        if told.is_some_and(|told| told != bytes) {
            let message = format!("{bytes} bytes came, {} were promised", told.unwrap_or(0));
            return Err(PartnerError::new(
                ErrorKind::Unavailable,
                "fetch",
                url,
                message,
            ));
        }
        kept.sync_all().await.map_err(ours)?;
        Ok(Download::Arrived { modified })
    }
}
