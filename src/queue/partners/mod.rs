//! Partners: their breakers and budgets, in one state that every process shares.
//!
//! Asked per outbound call, by the clients, through whatever trait they define; the lanes' gate
//! ([`crate::gate`]) reads the same rows, so that jobs are not even claimed while a partner is down.
//! Every transition is fenced by the row's version and is an event row. A process keeps a copy that is
//! a quarter of a second old at most.

mod breaker;

pub use breaker::{BreakerPolicy, Window};

use crate::inspect::stamp;
use crate::lanes::{BreakerState, moved_on};
use crate::throttle::Throttle;
use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};
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

/// A partner as it stands.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Partner {
    pub name: String,
    pub state: BreakerState,
    pub reason: Option<String>,
    pub changed_by: Option<String>,
    pub changed_at: Timestamp,
    pub until: Option<Timestamp>,
    pub max_running: Option<i32>,
    pub calls_per_second: Option<f64>,
    pub break_seconds: f64,
    pub closed_at: Option<Timestamp>,
    /// The store's clock when this was read.
    pub as_of: Timestamp,
    #[serde(skip)]
    version: i64,
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

#[derive(Clone, Debug, serde::Serialize)]
pub struct PartnerEvent {
    pub at: Timestamp,
    pub was: String,
    pub became: String,
    pub why: String,
    pub who: Option<String>,
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
            let wait = self.throttle.take(&format!("partner {name}"), rate).await?;
            if wait > LONGEST_WAIT {
                return Ok(Err(Refusal {
                    wait,
                    reason: format!(
                        "partner {name} takes {rate} calls a second, and they are spent"
                    ),
                }));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(Ok(Permit { probe: None, retry }))
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

impl Partner {
    pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<Self>> {
        Self::read(conn, None).await
    }

    pub async fn find(conn: &mut PgConnection, name: &str) -> sqlx::Result<Option<Self>> {
        Ok(Self::read(conn, Some(name)).await?.pop())
    }

    async fn ensure(conn: &mut PgConnection, name: &str) -> sqlx::Result<Self> {
        sqlx::query!(
            "INSERT INTO partners (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
            name
        )
        .execute(&mut *conn)
        .await?;
        Self::find(conn, name)
            .await?
            .ok_or(sqlx::Error::RowNotFound)
    }

    async fn read(conn: &mut PgConnection, name: Option<&str>) -> sqlx::Result<Vec<Self>> {
        let rows = sqlx::query!(
            r#"SELECT name, state, reason, changed_by, changed_at, until, max_running, calls_per_second,
                      break_seconds, closed_at, version, now() AS "now!"
               FROM partners WHERE $1::text IS NULL OR name = $1 ORDER BY name"#,
            name
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Self {
                name: row.name,
                state: BreakerState::of(&row.state),
                reason: row.reason,
                changed_by: row.changed_by,
                changed_at: stamp(row.changed_at),
                until: row.until.map(stamp),
                max_running: row.max_running,
                calls_per_second: row.calls_per_second,
                break_seconds: row.break_seconds,
                closed_at: row.closed_at.map(stamp),
                as_of: stamp(row.now),
                version: row.version,
            })
            .collect())
    }

    /// Newest first.
    pub async fn events(
        conn: &mut PgConnection,
        name: &str,
        limit: i64,
    ) -> sqlx::Result<Vec<PartnerEvent>> {
        let rows = sqlx::query!(
            "SELECT at, was, became, why, who FROM partner_events WHERE partner = $1 ORDER BY id DESC LIMIT $2",
            name,
            limit
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PartnerEvent {
                at: stamp(row.at),
                was: row.was,
                became: row.became,
                why: row.why,
                who: row.who,
            })
            .collect())
    }

    /// Limits of everything we do with it; `None` for no limit.
    pub async fn limit(
        conn: &mut PgConnection,
        name: &str,
        max_running: Option<u16>,
        calls_per_second: Option<f64>,
    ) -> sqlx::Result<bool> {
        let done = sqlx::query!(
            "UPDATE partners SET max_running = $2, calls_per_second = $3 WHERE name = $1",
            name,
            max_running.map(i32::from),
            calls_per_second.filter(|rate| *rate > 0.0)
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// An operator keeps everybody away, until an operator says otherwise.
    pub async fn isolate(
        conn: &mut PgConnection,
        name: &str,
        who: &str,
        why: &str,
    ) -> sqlx::Result<bool> {
        let from = ["closed", "open", "forced_closed", "isolated"];
        Self::shift(conn, name, &from, "isolated", why, Some(who), None).await
    }

    /// An operator lets everybody through; with `force` it does not open again by itself.
    pub async fn close(
        conn: &mut PgConnection,
        name: &str,
        who: &str,
        force: bool,
    ) -> sqlx::Result<bool> {
        let (from, to) = (
            ["open", "isolated", "forced_closed", "closed"],
            if force { "forced_closed" } else { "closed" },
        );
        Self::shift(conn, name, &from, to, "closed by hand", Some(who), None).await
    }

    /// The next job or call is the probe, whatever is left of the break.
    pub async fn probe_now(conn: &mut PgConnection, name: &str, who: &str) -> sqlx::Result<bool> {
        let from = ["open", "isolated"];
        let why = "to be probed now";
        Self::shift(
            conn,
            name,
            &from,
            "open",
            why,
            Some(who),
            Some(Duration::ZERO),
        )
        .await
    }

    /// From one of some states to another, with its event. `false` when it was in none of them.
    async fn shift(
        conn: &mut PgConnection,
        name: &str,
        from: &[&str],
        to: &str,
        why: &str,
        who: Option<&str>,
        break_for: Option<Duration>,
    ) -> sqlx::Result<bool> {
        let from: Vec<String> = from.iter().map(|state| (*state).to_owned()).collect();
        let done = sqlx::query_file!(
            "queries/partner_shift.sql",
            name,
            &from,
            to,
            why,
            who,
            break_for.map(|length| length.as_secs_f64())
        )
        .execute(&mut *conn)
        .await?;
        if done.rows_affected() == 1 {
            // Claimers look again: a lane may have opened.
            sqlx::query!(
                "SELECT pg_notify('forecourt_jobs', queue) FROM lanes WHERE partner = $1",
                name
            )
            .execute(conn)
            .await?;
        }
        Ok(done.rows_affected() == 1)
    }

    /// Closed slices of the window that no breaker looks at any more.
    pub async fn prune_calls(conn: &mut PgConnection) -> sqlx::Result<u64> {
        let done =
            sqlx::query!("DELETE FROM partner_calls WHERE slice < now() - interval '1 hour'")
                .execute(conn)
                .await?;
        Ok(done.rows_affected())
    }

    pub fn version(&self) -> i64 {
        self.version
    }
}

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
