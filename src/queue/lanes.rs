//! Lanes and the one gate that decides whether a lane's jobs may be claimed.
//!
//! A lane is a queue and the partner its jobs call. Claiming and explaining ask the same
//! [`gate`], so that an explanation cannot drift from the decision.

use crate::QueueName;
use crate::inspect::stamp;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;

/// What a lane's gate is decided by, as the engine's store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub id: i32,
    pub queue: String,
    pub partner: String,
    pub paused_by: Option<String>,
    pub paused_at: Option<Timestamp>,
    /// `None` when no partner is called.
    pub breaker: Option<Breaker>,
    /// Limits set by operators, with what is claimed against them now.
    pub limits: Vec<Limit>,
    /// Jobs claimed of this partner, over every queue.
    pub partner_running: u32,
    /// The store's clock when this was read.
    pub as_of: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub state: BreakerState,
    pub reason: String,
    pub until: Option<Timestamp>,
    /// When it last closed after a break.
    pub closed_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    Closed,
    /// Half open once `until` has passed.
    Open,
    /// By an operator, until an operator says otherwise.
    Isolated,
    /// By an operator: it does not open whatever happens.
    ForcedClosed,
}

impl BreakerState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Isolated => "isolated",
            Self::ForcedClosed => "forced_closed",
        }
    }

    /// A word nobody wrote is read as closed: the column is checked by the database.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "open" => Self::Open,
            "isolated" => Self::Isolated,
            "forced_closed" => Self::ForcedClosed,
            _ => Self::Closed,
        }
    }
}

/// Whom a limit counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Queue(String),
    Partner(String),
}

impl Scope {
    /// As it is counted and locked under.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Queue(name) => format!("q:{name}"),
            Self::Partner(name) => format!("p:{name}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub scope: Scope,
    pub max: u32,
    pub running: u32,
    /// Why there is a limit, as an operator reads it.
    pub why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// May be claimed, as far as the limits go.
    Open { limits: Vec<Limit> },
    Blocked {
        by: Block,
        reason: String,
        /// When it opens by itself, if that is known.
        until: Option<Timestamp>,
    },
}

/// What keeps a lane shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    Paused,
    Isolated,
    Breaker,
    /// A limit of the queue, of the partner, or of a partner that is being probed or has just come back.
    Concurrency,
}

/// After a break a partner gets one job at a time, then two, four, …: doubled each second, so that twenty
/// thousand snoozed jobs are no thundering herd.
const RAMP_SECONDS: i64 = 10;

/// Whether jobs of this lane may be claimed now, and if not, why.
pub fn gate(lane: &Lane, now: Timestamp) -> Gate {
    let blocked = |by, reason: String, until| Gate::Blocked { by, reason, until };
    if let Some(who) = &lane.paused_by {
        let since = lane
            .paused_at
            .map_or(String::new(), |at| format!(" since {at:.0}"));
        return blocked(
            Block::Paused,
            format!("queue {} is paused by {who}{since}", lane.queue),
            None,
        );
    }
    let mut limits = lane.limits.clone();
    if let Some(breaker) = &lane.breaker {
        match (breaker.state, breaker.until) {
            (BreakerState::Isolated, _) => {
                let reason = format!("partner {} is isolated: {}", lane.partner, breaker.reason);
                return blocked(Block::Isolated, reason, None);
            }
            (BreakerState::Open, Some(until)) if until > now => {
                let reason = format!(
                    "the breaker of partner {} is open: {}",
                    lane.partner, breaker.reason
                );
                return blocked(Block::Breaker, reason, Some(until));
            }
            (BreakerState::Open, _) => {
                limits.push(lane.of_partner(1, "its breaker is half open, one job probes"))
            }
            (BreakerState::Closed | BreakerState::ForcedClosed, _) => {
                if let Some(max) = ramp(breaker.closed_at, now) {
                    limits.push(lane.of_partner(max, "its breaker has just closed"));
                }
            }
        }
    }
    match limits.iter().find(|limit| limit.running >= limit.max) {
        Some(full) => {
            let (what, name) = match &full.scope {
                Scope::Queue(name) => ("queue", name),
                Scope::Partner(name) => ("partner", name),
            };
            let reason = format!(
                "{} of {} run of {what} {name}: {}",
                full.running, full.max, full.why
            );
            blocked(Block::Concurrency, reason, None)
        }
        None => Gate::Open { limits },
    }
}

fn ramp(closed_at: Option<Timestamp>, now: Timestamp) -> Option<u32> {
    let since = now.duration_since(closed_at?).as_secs();
    (0..RAMP_SECONDS)
        .contains(&since)
        .then(|| 1u32 << since.unsigned_abs())
}

impl Lane {
    fn of_partner(&self, max: u32, why: &'static str) -> Limit {
        Limit {
            scope: Scope::Partner(self.partner.clone()),
            max,
            running: self.partner_running,
            why,
        }
    }

    /// Every lane, or those of one queue.
    pub async fn list(
        conn: &mut PgConnection,
        queue: Option<QueueName>,
    ) -> sqlx::Result<Vec<Self>> {
        let rows = sqlx::query_file!("queries/lanes.sql", queue.map(QueueName::as_str))
            .fetch_all(conn)
            .await?;
        let count = |running: i64| u32::try_from(running).unwrap_or(0);
        let most = |max: i32| u32::try_from(max).unwrap_or(1);
        Ok(rows
            .into_iter()
            .map(|row| {
                let mut limits = Vec::new();
                if let Some(max) = row.queue_max {
                    limits.push(Limit {
                        scope: Scope::Queue(row.queue.clone()),
                        max: most(max),
                        running: count(row.queue_running),
                        why: "its limit",
                    });
                }
                if let Some(max) = row.partner_max {
                    limits.push(Limit {
                        scope: Scope::Partner(row.partner.clone()),
                        max: most(max),
                        running: count(row.partner_running),
                        why: "its limit",
                    });
                }
                let breaker = row.state.map(|state| Breaker {
                    state: BreakerState::of(&state),
                    reason: row.reason.unwrap_or_default(),
                    until: row.until.map(stamp),
                    closed_at: row.closed_at.map(stamp),
                });
                Self {
                    id: row.id,
                    queue: row.queue,
                    partner: row.partner,
                    paused_by: row.paused_by,
                    paused_at: row.paused_at.map(stamp),
                    breaker,
                    limits,
                    partner_running: count(row.partner_running),
                    as_of: stamp(row.now),
                }
            })
            .collect())
    }

    /// Pauses or resumes every lane of a queue. `who` is shown to whoever asks why.
    pub async fn set_paused(
        conn: &mut PgConnection,
        queue: QueueName,
        who: Option<&str>,
    ) -> sqlx::Result<()> {
        sqlx::query!(
            "INSERT INTO lanes (queue, paused_by, paused_at) VALUES ($1, $2, now())
             ON CONFLICT (queue, partner) DO NOTHING",
            queue.as_str(),
            who
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "UPDATE lanes SET paused_by = $2, paused_at = CASE WHEN $2::text IS NULL THEN NULL ELSE now() END
             WHERE queue = $1",
            queue.as_str(),
            who
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!("SELECT pg_notify('forecourt_jobs', $1)", queue.as_str())
            .execute(conn)
            .await?;
        Ok(())
    }

    /// At most this many jobs of a queue at once, over every process; `None` for no limit.
    pub async fn limit_queue(
        conn: &mut PgConnection,
        queue: QueueName,
        max: Option<u16>,
    ) -> sqlx::Result<()> {
        sqlx::query!(
            "INSERT INTO queues (name, max_running) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET max_running = $2",
            queue.as_str(),
            max.map(i32::from)
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// The engine's clock, as far as it has moved on since a reading.
pub(crate) fn moved_on(as_of: Timestamp, by: std::time::Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::ZERO);
    as_of.checked_add(by).unwrap_or(as_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a moment")
    }

    fn lane(breaker: Option<Breaker>) -> Lane {
        Lane {
            id: 1,
            queue: "lookups".to_owned(),
            partner: "vpic".to_owned(),
            paused_by: None,
            paused_at: None,
            breaker,
            limits: Vec::new(),
            partner_running: 0,
            as_of: at(0),
        }
    }

    fn broken(state: BreakerState, until: Option<i64>, closed_at: Option<i64>) -> Lane {
        lane(Some(Breaker {
            state,
            reason: "5 of 10 calls failed".to_owned(),
            until: until.map(at),
            closed_at: closed_at.map(at),
        }))
    }

    fn room(lane: &Lane, now: Timestamp) -> Option<u32> {
        match gate(lane, now) {
            Gate::Open { limits } => limits.iter().map(|l| l.max - l.running).min(),
            Gate::Blocked { .. } => Some(0),
        }
    }

    #[test]
    fn an_open_breaker_blocks_until_its_time_then_lets_one_probe() {
        let mut lane = broken(BreakerState::Open, Some(30), None);
        let Gate::Blocked { reason, until, .. } = gate(&lane, at(29)) else {
            panic!("open too early");
        };
        assert!(
            reason.contains("vpic") && reason.contains("5 of 10"),
            "{reason}"
        );
        assert_eq!(until, Some(at(30)));
        assert_eq!(room(&lane, at(30)), Some(1));
        lane.partner_running = 1;
        assert_eq!(room(&lane, at(30)), Some(0));
    }

    #[test]
    fn release_after_a_break_is_staggered() {
        let lane = broken(BreakerState::Closed, None, Some(0));
        assert_eq!(room(&lane, at(0)), Some(1));
        assert_eq!(room(&lane, at(3)), Some(8));
        assert_eq!(room(&lane, at(9)), Some(512));
        assert_eq!(room(&lane, at(10)), None);
    }

    #[test]
    fn isolation_has_no_end_of_its_own() {
        let lane = broken(BreakerState::Isolated, Some(1), None);
        assert!(matches!(
            gate(&lane, at(5)),
            Gate::Blocked { until: None, .. }
        ));
        assert_eq!(
            room(&broken(BreakerState::ForcedClosed, Some(90), None), at(5)),
            None
        );
    }

    #[test]
    fn a_full_limit_says_how_full() {
        let mut lane = lane(None);
        lane.limits.push(Limit {
            scope: Scope::Queue("lookups".to_owned()),
            max: 4,
            running: 4,
            why: "its limit",
        });
        let Gate::Blocked { reason, .. } = gate(&lane, at(0)) else {
            panic!("over its limit");
        };
        assert!(
            reason.starts_with("4 of 4 run of queue lookups"),
            "{reason}"
        );
    }
}
