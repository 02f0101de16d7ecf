//! When a breaker opens, for how long, and whom it lets through: rules without a clock or a store.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Calls are judged over this long.
    pub window: Duration,
    /// Fewer calls than this in the window prove nothing.
    pub minimum: u32,
    /// Opens at this share of failed calls.
    pub failed_share: f64,
    /// A call that takes longer is slow.
    pub slow: Duration,
    /// Opens at this share of slow calls.
    pub slow_share: f64,
    /// The first break; each failed probe doubles it.
    pub first_break: Duration,
    pub longest_break: Duration,
    /// A probe that has not ended by then never will: another may go.
    pub probe: Duration,
    /// Retries may be this share of first tries.
    pub retry_share: f64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            minimum: 8,
            failed_share: 0.5,
            slow: Duration::from_secs(20),
            slow_share: 0.8,
            first_break: Duration::from_secs(15),
            longest_break: Duration::from_secs(300),
            probe: Duration::from_secs(60),
            retry_share: 0.2,
        }
    }
}

/// What happened within the window, over every process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub calls: u32,
    pub failures: u32,
    pub slow: u32,
    /// Calls that repeated a failed one; they are among the calls.
    pub retries: u32,
}

impl BreakerPolicy {
    /// Why a closed breaker must open, if it must.
    pub fn trips(&self, window: Window) -> Option<String> {
        if window.calls < self.minimum {
            return None;
        }
        let share = |part: u32| f64::from(part) / f64::from(window.calls);
        let seconds = self.window.as_secs();
        if share(window.failures) >= self.failed_share {
            return Some(format!(
                "{} of {} calls failed within {seconds} s",
                window.failures, window.calls
            ));
        }
        (share(window.slow) >= self.slow_share).then(|| {
            format!(
                "{} of {} calls took longer than {} s within {seconds} s",
                window.slow,
                window.calls,
                self.slow.as_secs_f64()
            )
        })
    }

    /// The break after the one of this length (none yet: zero).
    pub fn next_break(&self, last: Duration) -> Duration {
        if last.is_zero() {
            self.first_break
        } else {
            (last * 2).min(self.longest_break)
        }
    }

    /// Whether one more retry keeps retries a small share of first tries. The first few are free: a
    /// share of nothing would forbid every one.
    pub fn may_retry(&self, window: Window) -> bool {
        let first = window.calls.saturating_sub(window.retries);
        f64::from(window.retries + 1) <= (f64::from(first) * self.retry_share).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        window: Duration::from_secs(60),
        minimum: 8,
        failed_share: 0.5,
        slow: Duration::from_secs(20),
        slow_share: 0.8,
        first_break: Duration::from_secs(15),
        longest_break: Duration::from_secs(100),
        probe: Duration::from_secs(60),
        retry_share: 0.2,
    };

    fn window(calls: u32, failures: u32, slow: u32) -> Window {
        Window {
            calls,
            failures,
            slow,
            retries: 0,
        }
    }

    #[test]
    fn the_breaker_table() {
        for (calls, failures, slow, opens) in [
            (100, 4, 0, false),
            (7, 7, 0, false),
            (8, 4, 0, true),
            (8, 3, 0, false),
            (1_000, 499, 0, false),
            (1_000, 500, 0, true),
            (10, 0, 7, false),
            (10, 0, 8, true),
            (0, 0, 0, false),
        ] {
            let trips = POLICY.trips(window(calls, failures, slow));
            assert_eq!(
                trips.is_some(),
                opens,
                "{calls} calls, {failures} failed, {slow} slow: {trips:?}"
            );
        }
    }

    #[test]
    fn a_break_doubles_up_to_its_cap() {
        let mut length = Duration::ZERO;
        let mut lengths = Vec::new();
        for _ in 0..5 {
            length = POLICY.next_break(length);
            lengths.push(length.as_secs());
        }
        assert_eq!(lengths, [15, 30, 60, 100, 100]);
    }

    #[test]
    fn retries_stay_a_fifth_of_first_tries() {
        let mut window = Window::default();
        let mut allowed = 0;
        for _ in 0..1_000 {
            window.calls += 1;
            if POLICY.may_retry(window) {
                window.calls += 1;
                window.retries += 1;
                allowed += 1;
            }
        }
        assert!(
            (190..=201).contains(&allowed),
            "{allowed} retries of 1000 first tries"
        );
    }
}
