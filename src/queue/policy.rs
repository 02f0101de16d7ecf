//! What a kind of job may do: read a job's `POLICY` as a table.

use std::time::Duration;

/// The queues, each with its own worker. A slow queue never holds up another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueueName {
    Ingest,
    Sftp,
    Lookups,
    Photos,
    Feeds,
    Index,
    Upkeep,
}

impl QueueName {
    pub const ALL: [Self; 7] = [
        Self::Ingest,
        Self::Sftp,
        Self::Lookups,
        Self::Photos,
        Self::Feeds,
        Self::Index,
        Self::Upkeep,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Sftp => "sftp",
            Self::Lookups => "lookups",
            Self::Photos => "photos",
            Self::Feeds => "feeds",
            Self::Index => "index",
            Self::Upkeep => "upkeep",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|q| q.as_str() == name)
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Someone waits for it.
    High,
    Normal,
    /// Sweeps and housekeeping.
    Low,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == word)
    }

    pub fn level(self) -> i16 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// Wait before the next attempt: decorrelated jitter between `base` and three times the last
/// upper bound, never above `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub base: Duration,
    pub cap: Duration,
}

impl Backoff {
    /// `attempt` counts from 1; `draw` is a fraction in `0.0..1.0`.
    pub fn delay(self, attempt: u16, draw: f64) -> Duration {
        let widest = self
            .base
            .as_secs_f64()
            .min(self.cap.as_secs_f64())
            .mul_add(3f64.powi(i32::from(attempt.min(40))), 0.0)
            .min(self.cap.as_secs_f64());
        let floor = self.base.as_secs_f64().min(self.cap.as_secs_f64());
        Duration::from_secs_f64(floor + (widest - floor) * draw.clamp(0.0, 1.0))
    }
}

/// How long a job's `key()` keeps a second job with the same key away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// Until it is claimed: a change that arrives while it runs starts another.
    WhileQueued,
    /// Until it is done, dead or cancelled.
    WhileUnfinished,
    /// For this long after it was enqueued, finished or not.
    Within(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub queue: QueueName,
    /// Starts counted, not claims; a snooze gives its attempt back.
    pub max_attempts: u16,
    pub backoff: Backoff,
    /// One attempt may run this long; then it is dropped and counted as a timeout.
    pub timeout: Duration,
    pub priority: Priority,
    /// Only used when the job has a `key()`.
    pub unique: Unique,
    /// A job older than this is not snoozed again but dies, saying so.
    pub snooze_limit: Duration,
    /// In PostgreSQL from its enqueue to its end. A kind whose work a sweep can recreate may say `false`:
    /// on the Redis engine it then lives in Redis alone, runs even if its enqueuer rolls back, and is lost
    /// with Redis.
    pub durable: bool,
    /// Finished jobs are pruned this long after their end.
    pub retention: Duration,
}

impl Policy {
    /// What a job gets unless its table says otherwise.
    pub const DEFAULT: Self = Self {
        queue: QueueName::Upkeep,
        max_attempts: 8,
        backoff: Backoff {
            base: Duration::from_secs(2),
            cap: Duration::from_secs(15 * 60),
        },
        timeout: Duration::from_secs(60),
        priority: Priority::Normal,
        unique: Unique::WhileUnfinished,
        snooze_limit: Duration::from_secs(3 * 24 * 3600),
        durable: true,
        retention: Duration::from_secs(14 * 24 * 3600),
    };

    /// Contradictions a start-up must refuse, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.max_attempts == 0 {
            problems.push("max_attempts is 0: the job could never run".to_owned());
        }
        if self.timeout.is_zero() {
            problems.push("timeout is 0: every attempt would time out".to_owned());
        }
        if !self.durable && matches!(self.unique, Unique::Within(_)) {
            problems.push(
                "durable is false, yet its key is to outlive the job: that takes a row".to_owned(),
            );
        }
        if self.timeout > self.snooze_limit {
            problems.push(format!(
                "timeout {:?} is above the snooze limit {:?}: one attempt would use it up",
                self.timeout, self.snooze_limit
            ));
        }
        if self.backoff.base > self.backoff.cap {
            problems.push(format!(
                "backoff base {:?} is above its cap {:?}",
                self.backoff.base, self.backoff.cap
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_from_its_base_to_its_cap() {
        let backoff = Backoff {
            base: Duration::from_secs(2),
            cap: Duration::from_secs(100),
        };
        assert_eq!(backoff.delay(1, 0.0), Duration::from_secs(2));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_secs(6));
        assert_eq!(backoff.delay(2, 1.0), Duration::from_secs(18));
        assert_eq!(backoff.delay(60, 1.0), Duration::from_secs(100));
    }

    #[test]
    fn a_policy_that_contradicts_itself_says_why() {
        let policy = Policy {
            max_attempts: 0,
            timeout: Duration::ZERO,
            ..Policy::DEFAULT
        };
        assert_eq!(policy.problems().len(), 2);
        assert!(Policy::DEFAULT.problems().is_empty());
    }
}
