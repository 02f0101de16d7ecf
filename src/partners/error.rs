//! What went wrong outside, as a decision a caller can take.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    NotFound,
    /// Credentials refused, or a host key that is not the pinned one.
    Denied,
    Unavailable,
    TimedOut,
    Throttled,
    /// What came back is not what was asked for.
    Corrupt,
    /// Its breaker is open, or its budget spent: it was not called.
    Shut,
    /// We asked for something no partner could answer: an unsafe name, a bad setting.
    Refused,
}

#[derive(Debug, thiserror::Error)]
#[error("{operation} {target}: {message}")]
pub struct PartnerError {
    pub kind: ErrorKind,
    pub operation: &'static str,
    pub target: String,
    pub message: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl PartnerError {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        target: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        // What follows a `?` may be a key: it is nobody's to read in a log.
        let mut target = target.into();
        if target.contains("://")
            && let Some(query) = target.find('?')
        {
            target.truncate(query);
        }
        Self {
            kind,
            operation,
            target,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Only these count against a partner: not our parse error, nor a 404 on one VIN.
    pub fn is_partners_fault(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Throttled | ErrorKind::Denied
        )
    }

    /// Trying again may help.
    pub fn passing(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Throttled | ErrorKind::Shut
        )
    }
}
