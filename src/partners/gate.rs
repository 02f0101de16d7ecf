//! Leave to call: breakers, budgets and retries stand between us and every partner.
//!
//! The state is not ours: whoever wires the floors gives a [`Gate`]. [`through`] is how a client calls.

use crate::{ErrorKind, PartnerError};
use futures::future::BoxFuture;
use std::future::Future;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tracing::Instrument;

/// Says whether a partner may be called now, and is told how each call ended.
pub trait Gate: Send + Sync {
    fn admit<'a>(&'a self, partner: &'a str, retry: bool) -> BoxFuture<'a, Result<Leave, Shut>>;

    /// `failed` says what the partner did wrong, if it did.
    fn report<'a>(
        &'a self,
        partner: &'a str,
        leave: Leave,
        failed: Option<String>,
        took: Duration,
    ) -> BoxFuture<'a, ()>;

    /// The call was not made after all.
    fn give_back<'a>(&'a self, partner: &'a str, leave: Leave) -> BoxFuture<'a, ()>;

    /// Whether a failed call may be repeated at once.
    fn may_retry(&self, partner: &str) -> bool;
}

/// Leave for one call; the number belongs to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    pub probe: Option<i64>,
    pub retry: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    pub wait: Duration,
    pub reason: String,
}

/// A gate that is always open: for tests of one client, and for our own servers.
pub struct OpenGate;

impl Gate for OpenGate {
    fn admit<'a>(&'a self, _: &'a str, retry: bool) -> BoxFuture<'a, Result<Leave, Shut>> {
        Box::pin(std::future::ready(Ok(Leave { probe: None, retry })))
    }

    fn report<'a>(
        &'a self,
        _: &'a str,
        _: Leave,
        _: Option<String>,
        _: Duration,
    ) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn give_back<'a>(&'a self, _: &'a str, _: Leave) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn may_retry(&self, _: &str) -> bool {
        false
    }
}

/// A blip is over in less; anything longer goes back to the queue.
const BLIP: Duration = Duration::from_millis(300);
/// A call that took this long was no blip.
const QUICK: Duration = Duration::from_secs(1);

/// Calls a partner: not at all while its breaker is open, and once more when it hung up at once and the
/// retry budget allows. Only for calls that may be repeated.
pub async fn through<T, F, Fut>(gate: &dyn Gate, partner: &str, call: F) -> Result<T, PartnerError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, PartnerError>>,
{
    let mut retry = false;
    loop {
        let leave = gate
            .admit(partner, retry)
            .await
            .map_err(|shut| shut_out(partner, shut))?;
        let begun = Instant::now();
        let span = tracing::info_span!("call", otel.kind = "client", partner, retry);
        let answer = call().instrument(span).await;
        let took = begun.elapsed();
        let failed = answer
            .as_ref()
            .err()
            .filter(|error| error.is_partners_fault());
        gate.report(partner, leave, failed.map(ToString::to_string), took)
            .await;
        let blip = matches!(&answer, Err(error) if error.kind == ErrorKind::Unavailable && error.retry_after.is_none());
        if retry || !blip || took > QUICK || leave.probe.is_some() || !gate.may_retry(partner) {
            return answer;
        }
        retry = true;
        tokio::time::sleep(BLIP).await;
    }
}

/// A call at a host that several partners share, each with a gate of its own: what the line does is told of the host, so
/// that one that is down is left alone for all of them.
pub async fn at_host<T>(
    gate: &dyn Gate,
    host: &str,
    call: impl Future<Output = Result<T, PartnerError>>,
) -> Result<T, PartnerError> {
    let leave = gate.admit(host, false).await;
    let leave = leave.map_err(|shut| shut_out(host, shut))?;
    let answer = call.await;
    let failed = match &answer {
        // The partner's own gate: the host was not called.
        Err(error) if error.kind == ErrorKind::Shut => {
            gate.give_back(host, leave).await;
            return answer;
        }
        Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::TimedOut) => {
            Some(error.to_string())
        }
        _ => None,
    };
    // A large file takes its time on a line that is well.
    gate.report(host, leave, failed, Duration::ZERO).await;
    answer
}

fn shut_out(partner: &str, shut: Shut) -> PartnerError {
    PartnerError {
        kind: ErrorKind::Shut,
        operation: "call",
        target: partner.to_owned(),
        message: shut.reason,
        retry_after: Some(shut.wait),
    }
}

/// Less hammers a partner, more loses the night.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(6 * 3600));

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), clamped to between a second and six hours. `now`
/// in seconds of the epoch, as the partner's own clock has it; a date of one that does not tell the time is five minutes off. Nonsense is
/// no answer.
pub fn retry_after(value: &str, now: Option<i64>) -> Option<Duration> {
    let value = value.trim();
    let seconds = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) if value.bytes().all(|b| b.is_ascii_digit()) && !value.is_empty() => u64::MAX,
        Err(_) => {
            let until = http_date(value)?;
            now.map_or(300, |now| {
                u64::try_from(until.saturating_sub(now)).unwrap_or(0)
            })
        }
    };
    Some(Duration::from_secs(seconds).clamp(RETRY_AFTER.0, RETRY_AFTER.1))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` and its two old forms (RFC 9110, 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

pub(crate) fn in_http(seconds: i64) -> Option<String> {
    // Later than the year 9999 has no form.
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|s| *s < 253_402_300_800)?;
    Some(httpdate::fmt_http_date(
        UNIX_EPOCH + Duration::from_secs(seconds),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const NOW: i64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT

    #[test]
    fn retry_after_is_read_and_clamped() {
        for (value, seconds) in [
            ("120", Some(120)),
            ("0", Some(1)),
            ("99999999999999999999999", Some(21_600)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(1)),
            ("Fri, 01 Jan 2100 00:00:00 GMT", Some(21_600)),
            ("soon", None),
            ("", None),
            ("-5", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(
                retry_after(value, Some(NOW)),
                seconds.map(Duration::from_secs),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_date_of_whom_nobody_knows_the_time_is_no_second() {
        let date = "Sun, 06 Nov 1994 08:51:37 GMT";
        assert_eq!(retry_after(date, None), Some(Duration::from_secs(300)));
        assert_eq!(retry_after("7", None), Some(Duration::from_secs(7)));
    }

    #[derive(Default)]
    struct Noted {
        calls: Mutex<Vec<String>>,
        shut: bool,
    }

    impl Gate for Noted {
        fn admit<'a>(&'a self, _: &'a str, retry: bool) -> BoxFuture<'a, Result<Leave, Shut>> {
            let shut = Shut {
                wait: Duration::from_secs(30),
                reason: "its breaker is open".to_owned(),
            };
            let answer = if self.shut {
                Err(shut)
            } else {
                Ok(Leave { probe: None, retry })
            };
            Box::pin(std::future::ready(answer))
        }

        fn report<'a>(
            &'a self,
            _: &'a str,
            leave: Leave,
            failed: Option<String>,
            _: Duration,
        ) -> BoxFuture<'a, ()> {
            let mut calls = self.calls.lock().expect("a lock");
            calls.push(format!("retry {} failed {}", leave.retry, failed.is_some()));
            Box::pin(std::future::ready(()))
        }

        fn give_back<'a>(&'a self, _: &'a str, _: Leave) -> BoxFuture<'a, ()> {
            self.calls.lock().expect("a lock").push("back".to_owned());
            Box::pin(std::future::ready(()))
        }

        fn may_retry(&self, _: &str) -> bool {
            true
        }
    }

    fn failing(kind: ErrorKind) -> PartnerError {
        PartnerError::new(kind, "fetch", "it", "no")
    }

    #[tokio::test]
    async fn a_blip_is_tried_once_more() {
        let gate = Noted::default();
        let answer: Result<(), _> =
            through(&gate, "p", async || Err(failing(ErrorKind::Unavailable))).await;
        assert!(answer.is_err());
        let calls = gate.calls.lock().expect("a lock").clone();
        assert_eq!(calls, ["retry false failed true", "retry true failed true"]);
    }

    #[tokio::test]
    async fn what_is_not_the_partners_fault_is_not_counted_against_it() {
        let gate = Noted::default();
        for kind in [ErrorKind::NotFound, ErrorKind::Corrupt, ErrorKind::Refused] {
            let _: Result<(), _> = through(&gate, "p", async || Err(failing(kind))).await;
        }
        let calls = gate.calls.lock().expect("a lock").clone();
        assert_eq!(calls, ["retry false failed false"; 3]);
    }

    #[tokio::test]
    async fn a_host_is_told_what_the_line_did_and_nothing_else() {
        let gate = Noted::default();
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::TimedOut,
            ErrorKind::Denied,
            ErrorKind::Corrupt,
            ErrorKind::Shut,
        ] {
            let call = async { Err::<(), _>(failing(kind)) };
            assert_eq!(
                at_host(&gate, "h", call).await.expect_err("an error").kind,
                kind
            );
        }
        assert_eq!(
            at_host(&gate, "h", async { Ok(7) }).await.expect("seven"),
            7
        );
        let told = |failed| format!("retry false failed {failed}");
        let calls = gate.calls.lock().expect("a lock").clone();
        let mut expected = [true, true, false, false, false].map(told).to_vec();
        expected.insert(4, "back".to_owned());
        assert_eq!(
            calls, expected,
            "one whose own gate was shut was not called"
        );
        let gate = Noted {
            shut: true,
            ..Noted::default()
        };
        let call = async { panic!("called") };
        let error = at_host::<()>(&gate, "h", call).await.expect_err("shut");
        assert_eq!((error.kind, error.target.as_str()), (ErrorKind::Shut, "h"));
    }

    #[tokio::test]
    async fn a_shut_gate_is_an_error_with_its_wait() {
        let gate = Noted {
            shut: true,
            ..Noted::default()
        };
        let answer: Result<(), _> = through(&gate, "p", async || panic!("called")).await;
        let error = answer.expect_err("shut");
        assert_eq!(
            (error.kind, error.retry_after),
            (ErrorKind::Shut, Some(Duration::from_secs(30)))
        );
        assert!(gate.calls.lock().expect("a lock").is_empty());
    }
}
