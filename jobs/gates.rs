//! Where the floors meet: the clients' gate, kept by the queue's partners; what a partner's error means for a
//! job; and secret arguments under the master key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use partners::{ErrorKind, Gate, Leave, PartnerError, Shut};
use queue::{ArgSealer, CallEnd, ErrorRecord, FailureClass, JobError, Partners, Permit};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use stores::{Sealed, Sealer};

#[derive(Clone)]
pub struct SharedGate(pub Partners);

impl Gate for SharedGate {
    fn admit<'a>(&'a self, partner: &'a str, retry: bool) -> BoxFuture<'a, Result<Leave, Shut>> {
        Box::pin(async move {
            match self.0.admit(partner, retry).await {
                Ok(Ok(permit)) => Ok(Leave {
                    probe: permit.probe(),
                    retry,
                }),
                Ok(Err(refusal)) => Err(Shut {
                    wait: refusal.wait,
                    reason: refusal.reason,
                }),
                Err(error) => {
                    // Without the shared state there is no telling; a call too many is the lesser harm.
                    tracing::warn!(%error, partner, "its breaker cannot be asked");
                    Ok(Leave { probe: None, retry })
                }
            }
        })
    }

    fn report<'a>(
        &'a self,
        partner: &'a str,
        leave: Leave,
        failed: Option<String>,
        took: Duration,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let permit = Permit::new(leave.probe, leave.retry);
            let end = failed.map_or(CallEnd::Answered, CallEnd::Failed);
            if let Err(error) = self.0.report(partner, permit, &end, took).await {
                tracing::warn!(%error, partner, "its breaker cannot be told");
            }
        })
    }

    fn give_back<'a>(&'a self, partner: &'a str, leave: Leave) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let permit = Permit::new(leave.probe, leave.retry);
            if let Err(error) = self.0.give_back(partner, permit).await {
                tracing::warn!(%error, partner, "its breaker cannot be told");
            }
        })
    }

    fn may_retry(&self, partner: &str) -> bool {
        self.0.may_retry(partner)
    }
}

/// Secret arguments of jobs, under the master key.
#[derive(Clone)]
pub struct ArgSeal(pub Arc<Sealer>);

impl ArgSealer for ArgSeal {
    fn seal(&self, purpose: &str, plain: &str) -> Result<String, String> {
        let sealed = self
            .0
            .seal(purpose, plain)
            .map_err(|error| error.to_string())?;
        Ok(format!(
            "{}:{}",
            sealed.key_id,
            STANDARD.encode(sealed.bytes)
        ))
    }

    fn open(&self, purpose: &str, sealed: &str) -> Result<String, String> {
        let (key_id, text) = sealed
            .split_once(':')
            .ok_or("it is not sealed as it should be")?;
        let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
        let sealed = Sealed {
            bytes,
            key_id: key_id.to_owned(),
        };
        let plain = self
            .0
            .open(purpose, &sealed)
            .map_err(|error| error.to_string())?;
        Ok(plain.expose_secret().to_owned())
    }
}

/// How long a job leaves a partner alone that failed it, unless that says otherwise. The breaker does the rest.
const LEFT_ALONE: Duration = Duration::from_secs(20);

/// A partner that is down costs nobody an attempt: the job waits, until its snooze limit. What the partner asks
/// for (`Retry-After`) is how long. A refused key or password does not mend itself by trying again soon.
pub(crate) fn judged(error: PartnerError) -> JobError {
    match error.kind {
        ErrorKind::Shut | ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Throttled => {
            JobError::Snooze {
                after: error.retry_after.unwrap_or(LEFT_ALONE),
                reason: error.to_string(),
            }
        }
        ErrorKind::Denied | ErrorKind::Refused => JobError::reject(&error),
        _ => JobError::Retry {
            after: error.retry_after,
            error: ErrorRecord::of(FailureClass::Error, &error),
        },
    }
}
