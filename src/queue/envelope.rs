//! What travels: a kind, a version and arguments; and the order that puts it in the queue.

use crate::{Job, Policy, Priority};

/// A job on the wire. An older binary may meet a newer kind or version: it leaves it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub kind: String,
    pub version: i16,
    /// JSON text; parsed once, by the handler.
    pub args: String,
}

/// An order to enqueue one job.
#[derive(Clone, Debug)]
pub struct Enqueue {
    pub(crate) envelope: Envelope,
    pub(crate) policy: Policy,
    pub(crate) partner: String,
    pub(crate) key: Option<String>,
    pub(crate) priority: Priority,
    pub(crate) delay: std::time::Duration,
    pub(crate) run_id: Option<i64>,
    pub(crate) secrets: &'static [&'static str],
}

impl Enqueue {
    pub fn of<J: Job>(job: &J) -> Result<Self, serde_json::Error> {
        Ok(Self {
            envelope: Envelope {
                kind: J::NAME.to_owned(),
                version: J::VERSION,
                args: serde_json::to_string(job)?,
            },
            policy: J::POLICY,
            partner: job.partner().unwrap_or_default(),
            key: job.key(),
            priority: J::POLICY.priority,
            delay: std::time::Duration::ZERO,
            run_id: None,
            secrets: J::SECRETS,
        })
    }

    /// Counts the job among those one cause started.
    #[must_use]
    pub fn run(mut self, run_id: Option<i64>) -> Self {
        self.run_id = run_id;
        self
    }

    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Not before this long from now, by the engine's clock.
    #[must_use]
    pub fn after(mut self, delay: std::time::Duration) -> Self {
        self.delay = delay;
        self
    }
}
