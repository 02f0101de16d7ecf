//! What the attempts of this process did, for Prometheus. Names follow its conventions: a prefix, base units,
//! `_total` for counters.

use crate::{Outcome, QueueName, Rescued};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::LazyLock;
use std::time::Duration;

/// Of this process, since it began.
pub struct Meters {
    registry: Registry,
    attempts: Family<Attempt, Counter>,
    ran: Family<Kind, Histogram>,
    latency: Family<Queue, Histogram>,
    refused: Family<Queue, Counter>,
    rescued: Family<Rescue, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    kind: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rescue {
    outcome: &'static str,
}

/// Seconds: a lookup takes milliseconds, a large file minutes.
const BUCKETS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0,
];

static METERS: LazyLock<Meters> = LazyLock::new(Meters::new);

impl Meters {
    pub fn of_process() -> &'static Self {
        &METERS
    }

    fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let meters = Self {
            registry: Registry::default(),
            attempts: Family::default(),
            ran: Family::new_with_constructor(histogram),
            latency: Family::new_with_constructor(histogram),
            refused: Family::default(),
            rescued: Family::default(),
        };
        let mut registry = Registry::with_prefix("forecourt");
        registry.register(
            "job_attempts",
            "Attempts that ended, by kind and outcome: done, retry, snooze, dead, cancelled, hand_back",
            meters.attempts.clone(),
        );
        registry.register(
            "job_duration_seconds",
            "How long attempts ran",
            meters.ran.clone(),
        );
        registry.register(
            "job_latency_seconds",
            "From a job's claim to its acknowledgement",
            meters.latency.clone(),
        );
        registry.register(
            "acks_refused",
            "Acknowledgements refused because the lease was lost",
            meters.refused.clone(),
        );
        registry.register(
            "jobs_rescued",
            "Jobs of dead workers, returned to their queue or buried",
            meters.rescued.clone(),
        );
        // What has not happened yet is a zero, not a gap: `rate()` over the first of them is right.
        for outcome in ["returned", "buried"] {
            drop(meters.rescued.get_or_create(&Rescue { outcome }));
        }
        for queue in QueueName::ALL {
            let queue = queue.as_str();
            drop(meters.refused.get_or_create(&Queue { queue }));
            drop(meters.latency.get_or_create(&Queue { queue }));
        }
        Self { registry, ..meters }
    }

    pub(crate) fn ended(&self, kind: &str, outcome: &Outcome, ran: Duration) {
        let (kind, word) = (kind.to_owned(), outcome.word());
        let labels = Attempt {
            kind: kind.clone(),
            outcome: word,
        };
        self.attempts.get_or_create(&labels).inc();
        self.ran
            .get_or_create(&Kind { kind })
            .observe(ran.as_secs_f64());
    }

    pub(crate) fn acknowledged(&self, queue: QueueName, latencies: impl Iterator<Item = Duration>) {
        let queue = queue.as_str();
        let histogram = self.latency.get_or_create(&Queue { queue });
        for latency in latencies {
            histogram.observe(latency.as_secs_f64());
        }
    }

    pub(crate) fn refused(&self, queue: QueueName, count: u64) {
        let queue = queue.as_str();
        self.refused.get_or_create(&Queue { queue }).inc_by(count);
    }

    pub fn rescued(&self, rescued: Rescued) {
        for (outcome, count) in [("returned", rescued.returned), ("buried", rescued.buried)] {
            self.rescued
                .get_or_create(&Rescue { outcome })
                .inc_by(count);
        }
    }

    /// In OpenMetrics' text form, without its end marker.
    pub fn render(&self) -> String {
        let mut said = String::new();
        match text::encode_registry(&mut said, &self.registry) {
            Ok(()) => said,
            Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_counted_under_its_kind_and_outcome_and_timed() {
        let meters = Meters::new();
        let done = Outcome::Done(serde_json::Value::Null);
        meters.ended("pull_source", &done, Duration::from_millis(30));
        meters.ended("pull_source", &done, Duration::from_millis(40));
        meters.ended("pull_source", &Outcome::HandBack, Duration::from_secs(3));
        meters.rescued(Rescued {
            returned: 2,
            buried: 0,
        });
        let text = meters.render();
        for line in [
            r#"forecourt_job_attempts_total{kind="pull_source",outcome="done"} 2"#,
            r#"forecourt_job_attempts_total{kind="pull_source",outcome="hand_back"} 1"#,
            r#"forecourt_job_duration_seconds_count{kind="pull_source"} 3"#,
            r#"forecourt_job_duration_seconds_bucket{le="0.05",kind="pull_source"} 2"#,
            r#"forecourt_jobs_rescued_total{outcome="returned"} 2"#,
            r#"forecourt_jobs_rescued_total{outcome="buried"} 0"#,
            r#"forecourt_acks_refused_total{queue="feeds"} 0"#,
        ] {
            assert!(text.lines().any(|got| got == line), "no {line} in\n{text}");
        }
    }
}
