//! Partners: their breakers and budgets, in one state that every process shares.
//!
//! Asked per outbound call, by the clients, through whatever trait they define; the lanes' gate
//! ([`crate::gate`]) reads the same rows, so that jobs are not even claimed while a partner is down.
//! Every transition is fenced by the row's version and is an event row. A process keeps a copy that is
//! a quarter of a second old at most.

mod breaker;
mod state;

pub use breaker::{BreakerPolicy, Window};
pub use state::{Partner, PartnerEvent};

use crate::lanes::{BreakerState, moved_on};
use crate::throttle::{Throttle, Turn};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A copy this old is read again.
const FRESH: Duration = Duration::from_millis(250);
/// Successful calls are counted here and told this often; a failure is told at once.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// A budget that asks for a longer wait is told to the job, which snoozes.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Partners {
    pool: PgPool,
    policy: BreakerPolicy,
    throttle: Throttle,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

#[derive(Clone, Debug)]
struct Known {
    partner: Partner,
    read: Instant,
    window: Window,
    /// Not told yet.
    untold: Window,
    told: Instant,
}

/// Leave for one call. Say how it ended with [`Partners::report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    probe: Option<i64>,
    retry: bool,
}

impl Permit {
    /// As it was given, by somebody who had to take it apart.
    pub fn new(probe: Option<i64>, retry: bool) -> Self {
        Self { probe, retry }
    }

    pub fn probe(self) -> Option<i64> {
        self.probe
    }
}

/// Not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub wait: Duration,
    pub reason: String,
}

/// How a call ended, as far as the partner is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// An answer, also one we do not like: a 404 on one VIN, a file we cannot parse.
    Answered,
    /// Timeout, reset, 5xx, 429, a refused login that used to work.
    Failed(String),
}

impl Partners {
    pub fn new(pool: PgPool, policy: BreakerPolicy, throttle: Throttle) -> Self {
        Self {
            pool,
            policy,
            throttle,
            known: Arc::default(),
        }
    }

    /// Leave to call, or why not and for how long. `retry` says that it repeats a failed call.
    pub async fn admit(&self, name: &str, retry: bool) -> sqlx::Result<Result<Permit, Refusal>> {
        let known = self.fresh(name).await?;
        let partner = &known.partner;
        let now = moved_on(partner.as_of, known.read.elapsed());
        let refused = |wait: Duration, what: &str| {
            let why = partner.reason.clone().unwrap_or_default();
            Ok(Err(Refusal {
                wait,
                reason: format!("partner {name} {what}: {why}"),
            }))
        };
        match (partner.state, partner.until) {
            (BreakerState::Isolated, _) => return refused(Duration::from_secs(60), "is isolated"),
            (BreakerState::Open, Some(until)) if until > now => {
                let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                return refused(
                    wait.max(Duration::from_secs(1)),
                    "is behind an open breaker",
                );
            }
            (BreakerState::Open, _) => {
                return Ok(match self.take_probe(name).await? {
                    Some(probe) => Ok(Permit {
                        probe: Some(probe),
                        retry,
                    }),
                    None => Err(Refusal {
                        wait: Duration::from_secs(2),
                        reason: format!("partner {name} is being probed"),
                    }),
                });
            }
            (BreakerState::Closed | BreakerState::ForcedClosed, _) => {}
        }
        if let Some(rate) = partner.calls_per_second {
            let bucket = format!("partner {name}");
            match self.throttle.take(&bucket, rate, LONGEST_WAIT).await? {
                Turn::Taken(wait) => tokio::time::sleep(wait).await,
                Turn::Full(wait) => {
                    return Ok(Err(Refusal {
                        wait: spread(wait),
                        reason: format!(
                            "partner {name} takes {rate} calls a second, and they are spent"
                        ),
                    }));
                }
            }
        }
        Ok(Ok(Permit { probe: None, retry }))
    }

    /// The next call asks the store what became of the partner since, whatever is known here.
    pub fn look_again(&self, name: &str) {
        lock(&self.known).remove(name);
    }

    /// What is known here of a partner that must not be called; asks nobody.
    pub fn refused(&self, name: &str) -> Option<Refusal> {
        let known = lock(&self.known).get(name).cloned()?;
        let now = moved_on(known.partner.as_of, known.read.elapsed());
        let until = known.partner.until.filter(|until| *until > now)?;
        (known.partner.state == BreakerState::Open).then(|| Refusal {
            wait: Duration::try_from(until.duration_since(now))
                .unwrap_or_default()
                .max(Duration::from_secs(1)),
            reason: format!("the breaker of partner {name} is open"),
        })
    }

    /// Whether a failed call may be tried again at once.
    pub fn may_retry(&self, name: &str) -> bool {
        let known = lock(&self.known);
        known.get(name).is_none_or(|known| {
            let mut window = known.window;
            window.add(known.untold);
            self.policy.may_retry(window)
        })
    }

    /// Says how a call ended. A failure may open the breaker, a probe's success closes it.
    pub async fn report(
        &self,
        name: &str,
        permit: Permit,
        end: &CallEnd,
        took: Duration,
    ) -> sqlx::Result<()> {
        if let Some(probe) = permit.probe {
            self.probed(name, probe, end).await?;
            lock(&self.known).remove(name);
            return Ok(());
        }
        let failed = matches!(end, CallEnd::Failed(_));
        let due = {
            let mut held = lock(&self.known);
            let Some(known) = held.get_mut(name) else {
                return Ok(());
            };
            known.untold.add(Window {
                calls: 1,
                failures: u32::from(failed),
                slow: u32::from(took >= self.policy.slow),
                retries: u32::from(permit.retry),
            });
            (failed || known.told.elapsed() >= TELL_EVERY).then(|| {
                known.told = Instant::now();
                std::mem::take(&mut known.untold)
            })
        };
        if let Some(untold) = due {
            self.tell(name, untold).await?;
        }
        Ok(())
    }

    /// The call was not made after all: another may be the probe.
    pub async fn give_back(&self, name: &str, permit: Permit) -> sqlx::Result<()> {
        let Some(probe) = permit.probe else {
            return Ok(());
        };
        sqlx::query!(
            "UPDATE partners SET probe = NULL, probe_until = NULL WHERE name = $1 AND probe = $2",
            name,
            probe
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn fresh(&self, name: &str) -> sqlx::Result<Known> {
        let held = lock(&self.known).get(name).cloned();
        if let Some(known) = held
            && known.read.elapsed() < FRESH
        {
            return Ok(known);
        }
        let mut conn = self.pool.acquire().await?;
        let partner = match Partner::find(&mut conn, name).await? {
            Some(partner) => partner,
            None => Partner::ensure(&mut conn, name).await?,
        };
        let mut held = lock(&self.known);
        if held.len() >= KNOWN {
            held.retain(|_, known| known.read.elapsed() < Duration::from_secs(10));
        }
        let known = held.entry(name.to_owned()).or_insert_with(|| Known {
            partner: partner.clone(),
            read: Instant::now(),
            window: Window::default(),
            untold: Window::default(),
            told: Instant::now(),
        });
        known.partner = partner;
        known.read = Instant::now();
        Ok(known.clone())
    }

    /// Adds to the shared window, and opens the breaker when that is too much.
    async fn tell(&self, name: &str, news: Window) -> sqlx::Result<()> {
        let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let row = sqlx::query_file!(
            "queries/partner_calls.sql",
            name,
            count(news.calls),
            count(news.failures),
            count(news.slow),
            count(news.retries),
            self.policy.window.as_secs_f64()
        )
        .fetch_one(&self.pool)
        .await?;
        let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        let window = Window {
            calls: count(row.calls),
            failures: count(row.failures),
            slow: count(row.slow),
            retries: count(row.retries),
        };
        if let Some(known) = lock(&self.known).get_mut(name) {
            known.window = window;
        }
        if let Some(why) = self.policy.trips(window) {
            let mut tx = self.pool.begin().await?;
            let length = self.policy.first_break;
            let opened =
                Partner::shift(&mut tx, name, &["closed"], "open", &why, None, Some(length))
                    .await?;
            tx.commit().await?;
            if opened {
                tracing::warn!(partner = name, why, "breaker opened");
            }
            // Whoever opened it: the next call must see it.
            lock(&self.known).remove(name);
            self.fresh(name).await?;
        }
        Ok(())
    }

    /// The one probe of the whole cluster.
    async fn take_probe(&self, name: &str) -> sqlx::Result<Option<i64>> {
        let probe = crate::random_token();
        let taken = sqlx::query!(
            "UPDATE partners SET probe = $2, probe_until = now() + $3::float8 * interval '1 second'
             WHERE name = $1 AND state = 'open' AND until <= now() AND (probe IS NULL OR probe_until <= now())",
            name,
            probe,
            self.policy.probe.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok((taken.rows_affected() == 1).then_some(probe))
    }

    async fn probed(&self, name: &str, probe: i64, end: &CallEnd) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        let ours = sqlx::query!(
            "SELECT break_seconds FROM partners WHERE name = $1 AND probe = $2 AND state = 'open' FOR UPDATE",
            name,
            probe
        )
        .fetch_optional(&mut *tx)
        .await?;
        // A probe that came too late says nothing: another has gone since.
        let Some(ours) = ours else { return Ok(()) };
        match end {
            CallEnd::Answered => {
                Partner::shift(
                    &mut tx,
                    name,
                    &["open"],
                    "closed",
                    "the probe was answered",
                    None,
                    None,
                )
                .await?;
                tracing::info!(partner = name, "breaker closed");
            }
            CallEnd::Failed(why) => {
                let last = Duration::try_from_secs_f64(ours.break_seconds).unwrap_or_default();
                let length = self.policy.next_break(last);
                let why = format!("the probe failed: {why}");
                Partner::shift(&mut tx, name, &["open"], "open", &why, None, Some(length)).await?;
            }
        }
        tx.commit().await
    }
}

/// Up to twice as long: those who were sent away together must not come back together.
fn spread(wait: Duration) -> Duration {
    let draw = u32::try_from(crate::random_token() % 1_000).unwrap_or(0);
    wait.max(Duration::from_secs(1))
        .mul_f64(1.0 + f64::from(draw) / 1e3)
}

/// More partners than this are not kept in mind when nobody calls them.
const KNOWN: usize = 10_000;

impl Window {
    fn add(&mut self, more: Self) {
        self.calls += more.calls;
        self.failures += more.failures;
        self.slow += more.slow;
        self.retries += more.retries;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
