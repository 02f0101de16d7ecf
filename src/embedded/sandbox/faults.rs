//! How the sandbox's partners misbehave, as a file says: YAML, one entry a partner.
//!
//! ```yaml
//! history: {errors: 0.2, latency_ms: 50}
//! values: {throttled: 0.1, retry_after_s: 2, quota_per_minute: 600}
//! vpic: {down: true}
//! ```
//!
//! Shares are of requests, from 0 to 1. Which requests they hit follows from the request's number alone, so that a
//! night can be told again.

use super::rolled;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    pub photos: PartnerFaults,
    pub vpic: PartnerFaults,
    pub history: PartnerFaults,
    pub values: PartnerFaults,
    pub uploads: PartnerFaults,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartnerFaults {
    /// Every request is answered 503.
    pub down: bool,
    /// Every request is answered 403.
    pub denied: bool,
    /// Before each answer.
    pub latency_ms: u64,
    /// Answered 503.
    pub errors: f64,
    /// Answered 429.
    pub throttled: f64,
    /// What a 429 says in `Retry-After`.
    pub retry_after_s: u64,
    /// Hung up without an answer.
    pub resets: f64,
    /// Never answered.
    pub hangs: f64,
    /// Answered 200, with something else.
    pub wrong: f64,
    pub wrong_content: Wrong,
    /// Of the values' service: requests in one minute, then 429.
    pub quota_per_minute: Option<u32>,
    /// Requests with this in their path or body are answered 500, or as `poison_status` says: one bad subject among many.
    pub poison: String,
    pub poison_status: u16,
    /// Of the history's pages: built otherwise than they were.
    pub redesigned: bool,
}

impl Default for PartnerFaults {
    fn default() -> Self {
        Self {
            down: false,
            denied: false,
            latency_ms: 0,
            errors: 0.0,
            throttled: 0.0,
            retry_after_s: 1,
            resets: 0.0,
            hangs: 0.0,
            wrong: 0.0,
            wrong_content: Wrong::Page,
            quota_per_minute: None,
            poison: String::new(),
            poison_status: 500,
            redesigned: false,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// A web page that asks to log in.
    #[default]
    Page,
    Empty,
    /// JSON that ends early.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Error,
    Denied,
    Throttled,
    Reset,
    Hang,
    Wrong(Wrong),
}

impl Faults {
    /// The text of a faults file, judged: shares between 0 and 1, and no more than 1 together.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        let faults: Self = serde_norway::from_str(yaml).map_err(|error| error.to_string())?;
        for (partner, one) in faults.each() {
            let shares = one.shares();
            if let Some((name, share)) = shares.iter().find(|(_, s)| !(0.0..=1.0).contains(s)) {
                return Err(format!(
                    "{partner}: {name}: {share} is no share from 0 to 1"
                ));
            }
            let sum: f64 = shares.iter().map(|(_, share)| share).sum();
            if sum > 1.0 {
                return Err(format!(
                    "{partner}: its shares add up to {sum}, more than 1"
                ));
            }
        }
        Ok(faults)
    }

    /// The same for every partner.
    pub fn all(one: &PartnerFaults) -> Self {
        Self {
            photos: one.clone(),
            vpic: one.clone(),
            history: one.clone(),
            values: one.clone(),
            uploads: one.clone(),
        }
    }

    fn each(&self) -> BTreeMap<&'static str, &PartnerFaults> {
        [
            ("photos", &self.photos),
            ("vpic", &self.vpic),
            ("history", &self.history),
            ("values", &self.values),
            ("uploads", &self.uploads),
        ]
        .into()
    }

    pub(super) fn of(&self, partner: &str) -> &PartnerFaults {
        self.each().get(partner).copied().unwrap_or(&self.photos)
    }
}

impl PartnerFaults {
    fn shares(&self) -> [(&'static str, f64); 5] {
        [
            ("errors", self.errors),
            ("throttled", self.throttled),
            ("resets", self.resets),
            ("hangs", self.hangs),
            ("wrong", self.wrong),
        ]
    }

    /// What befalls the nth request of a partner.
    pub(super) fn of_request(&self, partner: &str, nth: u64) -> Option<Fault> {
        if self.down {
            return Some(Fault::Error);
        }
        if self.denied {
            return Some(Fault::Denied);
        }
        // 53 bits are what a float can count.
        let at = (rolled(&format!("{partner} {nth}")) >> 11) as f64 / (1u64 << 53) as f64;
        let faults = [
            Fault::Error,
            Fault::Throttled,
            Fault::Reset,
            Fault::Hang,
            Fault::Wrong(self.wrong_content),
        ];
        let mut below = 0.0;
        for ((_, share), fault) in self.shares().into_iter().zip(faults) {
            below += share;
            if at < below {
                return Some(fault);
            }
        }
        None
    }
}

/// Whether what is poison stands in the request.
pub(super) fn poisoned(poison: &str, path: &str, body: &[u8]) -> bool {
    let poison = poison.as_bytes();
    !poison.is_empty()
        && [path.as_bytes(), body]
            .into_iter()
            .any(|text| text.windows(poison.len()).any(|part| part == poison))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_requests_are_hit_and_the_same_ones_again() {
        let faults = Faults::parse("history: {errors: 0.2, throttled: 0.1}").unwrap();
        let hit = |wanted| {
            (1..=10_000)
                .filter(|n| faults.history.of_request("history", *n) == Some(wanted))
                .collect::<Vec<u64>>()
        };
        assert!((1_900..2_100).contains(&hit(Fault::Error).len()));
        assert!((900..1_100).contains(&hit(Fault::Throttled).len()));
        assert_eq!(hit(Fault::Error), hit(Fault::Error));
        assert_eq!(faults.vpic.of_request("vpic", 1), None);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused_by_name() {
        for (yaml, words) in [
            ("history: {errors: 1.5}", "history: errors: 1.5"),
            (
                "values: {errors: 0.7, hangs: 0.7}",
                "values: its shares add up",
            ),
            ("histories: {}", "histories"),
        ] {
            let problem = Faults::parse(yaml).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
