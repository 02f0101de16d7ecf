//! Durations in buckets that grow by a tenth: quantiles within five per cent, without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BUCKETS: usize = 256;
const GROWTH: f64 = 1.1;

#[derive(Debug)]
pub struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let micros = (duration.as_secs_f64() * 1e6).max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 0, then bounded"
        )]
        let bucket = (micros.ln() / GROWTH.ln()) as usize;
        self.0[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.0.iter().map(|b| b.load(Ordering::Relaxed)).sum()
    }

    /// The duration below which this share of all records lies; zero when there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self
            .0
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let mut seen = 0;
        for (bucket, count) in (0i32..).zip(counts) {
            seen += count;
            if seen > 0 && seen as f64 >= total as f64 * share {
                return Duration::from_secs_f64(GROWTH.powi(bucket) * GROWTH.sqrt() / 1e6);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_bucket() {
        let histogram = Histogram::default();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        let near = |share: f64, ms: f64| {
            (histogram.quantile(share).as_secs_f64() * 1e3 / ms - 1.0).abs() < 0.11
        };
        assert!(near(0.5, 50.0) && near(0.99, 99.0));
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
