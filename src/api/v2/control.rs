//! Control of what runs: queues, partners, schedules. The words are those of the command line.

use super::jobs::{Accepted, AcceptedJob};
use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use jobs::loops::ScheduleError;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use queue::{Gate, Lane, Partner, QueueName, gate};
use stores::{Audit, Overlap, Scope};

pub(crate) struct Control {
    pub(crate) api: Api,
}

#[derive(Object)]
struct LaneView {
    queue: String,
    /// Whom its jobs call; empty for nobody.
    partner: String,
    open: bool,
    /// Why it may not be claimed.
    reason: Option<String>,
    /// When it opens by itself, if that is known.
    until: Option<String>,
}

#[derive(Object)]
struct QueueChange {
    /// Absent: as it is.
    paused: Option<bool>,
    /// Jobs at once over every process; 0 for no limit, absent: as it is.
    max_running: Option<u16>,
}

#[derive(Object)]
struct PartnerView {
    name: String,
    /// `closed`, `open`, `isolated` or `forced_closed`.
    state: String,
    reason: Option<String>,
    changed_by: Option<String>,
    changed_at: String,
    until: Option<String>,
    max_running: Option<i32>,
    calls_per_second: Option<f64>,
}

impl From<Partner> for PartnerView {
    fn from(partner: Partner) -> Self {
        Self {
            state: partner.state.as_str().to_owned(),
            name: partner.name,
            reason: partner.reason,
            changed_by: partner.changed_by,
            changed_at: partner.changed_at.to_string(),
            until: partner.until.map(|at| at.to_string()),
            max_running: partner.max_running,
            calls_per_second: partner.calls_per_second,
        }
    }
}

#[derive(Object)]
struct PartnerEventView {
    at: String,
    was: String,
    became: String,
    why: String,
    who: Option<String>,
}

#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum BreakerAction {
    /// Keep everybody away until it is closed or probed.
    Isolate,
    /// Let everybody through again.
    Close,
    /// Close, and do not open by itself any more.
    ForceClose,
    /// The next job probes.
    Probe,
}

#[derive(Object)]
struct BreakerOrder {
    action: BreakerAction,
    /// Shown to whoever asks why.
    why: Option<String>,
}

#[derive(Object)]
struct PartnerLimits {
    /// Jobs at once over every process; absent: no limit.
    max_running: Option<u16>,
    /// Calls a second over every process; absent: no limit.
    calls_per_second: Option<f64>,
}

#[derive(Object)]
struct ScheduleView {
    key: String,
    cron: String,
    time_zone: String,
    kind: String,
    args: serde_json::Value,
    /// `skip`, `buffer_one` or `allow`.
    overlap: String,
    catch_up_seconds: i64,
    paused_by: Option<String>,
    next_tick: Option<String>,
}

impl From<stores::Schedule> for ScheduleView {
    fn from(schedule: stores::Schedule) -> Self {
        let next = jobs::loops::next_tick(&schedule, schedule.ticked_to).ok();
        Self {
            key: schedule.key,
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            kind: schedule.kind,
            args: schedule.args,
            overlap: schedule.overlap.as_str().to_owned(),
            catch_up_seconds: schedule.catch_up_seconds,
            paused_by: schedule.paused_by,
            next_tick: next.map(|at| at.to_string()),
        }
    }
}

#[derive(Object)]
struct ScheduleChange {
    cron: Option<String>,
    time_zone: Option<String>,
    args: Option<serde_json::Value>,
    overlap: Option<String>,
    catch_up_seconds: Option<i64>,
    paused: Option<bool>,
}

#[derive(Object)]
struct TickView {
    tick_at: String,
    verdict: String,
    job_id: Option<i64>,
}

#[derive(Object)]
struct Range {
    /// As `2026-11-20T00:00:00Z`.
    from: String,
    to: String,
}

#[derive(Object)]
struct Backfilled {
    jobs: Vec<i64>,
}

#[OpenApi]
impl Control {
    /// Every lane: a queue and whom its jobs call.
    #[oai(path = "/queues", method = "get", operation_id = "list_queues")]
    async fn list_queues(&self, key: Key) -> Result<Json<Vec<LaneView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let lanes = self.api.app.engine.lanes(None).await?;
        let views = lanes.into_iter().map(|lane| {
            let (reason, until) = match gate(&lane, lane.as_of) {
                Gate::Open { .. } => (None, None),
                Gate::Blocked { reason, until, .. } => {
                    (Some(reason), until.map(|at| at.to_string()))
                }
            };
            LaneView {
                queue: lane.queue,
                partner: lane.partner,
                open: reason.is_none(),
                reason,
                until,
            }
        });
        Ok(Json(views.collect()))
    }

    /// Pause, resume, limit.
    #[oai(
        path = "/queues/:queue",
        method = "patch",
        operation_id = "change_queue"
    )]
    async fn change_queue(
        &self,
        key: Key,
        queue: Path<String>,
        change: Json<QueueChange>,
    ) -> Result<Json<Vec<LaneView>>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let name =
            QueueName::parse(&queue.0).ok_or_else(|| Problem::not_found("queue", &queue.0))?;
        let mut tx = self.api.app.pool.begin().await?;
        if let Some(paused) = change.0.paused {
            Lane::set_paused(&mut tx, name, paused.then_some(who.name.as_str())).await?;
        }
        if let Some(max) = change.0.max_running {
            Lane::limit_queue(&mut tx, name, (max > 0).then_some(max)).await?;
        }
        Audit::note(&mut tx, &who.name, "change", &format!("queue {}", queue.0)).await?;
        tx.commit().await?;
        self.list_queues(key).await
    }

    #[oai(path = "/partners", method = "get", operation_id = "list_partners")]
    async fn list_partners(&self, key: Key) -> Result<Json<Vec<PartnerView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let partners = Partner::list(&mut *self.api.app.pool.acquire().await?).await?;
        Ok(Json(partners.into_iter().map(Into::into).collect()))
    }

    /// What a partner's breaker went through, newest first.
    #[oai(
        path = "/partners/:partner/events",
        method = "get",
        operation_id = "list_partner_events"
    )]
    async fn list_partner_events(
        &self,
        key: Key,
        partner: Path<String>,
    ) -> Result<Json<Vec<PartnerEventView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let events = Partner::events(&mut conn, &partner.0, 200).await?;
        let views = events.into_iter().map(|event| PartnerEventView {
            at: event.at.to_string(),
            was: event.was,
            became: event.became,
            why: event.why,
            who: event.who,
        });
        Ok(Json(views.collect()))
    }

    /// Isolate, close or probe.
    #[oai(
        path = "/partners/:partner/breaker",
        method = "post",
        operation_id = "set_breaker"
    )]
    async fn set_breaker(
        &self,
        key: Key,
        partner: Path<String>,
        order: Json<BreakerOrder>,
    ) -> Result<Json<PartnerView>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let (name, who) = (&partner.0, &who.name);
        let mut tx = self.api.app.pool.begin().await?;
        let why = order.0.why.as_deref().unwrap_or("isolated by hand");
        let done = match order.0.action {
            BreakerAction::Isolate => Partner::isolate(&mut tx, name, who, why).await?,
            BreakerAction::Close => Partner::close(&mut tx, name, who, false).await?,
            BreakerAction::ForceClose => Partner::close(&mut tx, name, who, true).await?,
            BreakerAction::Probe => Partner::probe_now(&mut tx, name, who).await?,
        };
        let found = Partner::find(&mut tx, name).await?;
        let found = found.ok_or_else(|| Problem::not_found("partner", name))?;
        if !done {
            let state = found.state.as_str();
            return Err(Problem::invalid(format!(
                "partner {name} is {state}: there is nothing to probe"
            )));
        }
        Audit::note(
            &mut tx,
            who,
            "set the breaker of",
            &format!("partner {name}"),
        )
        .await?;
        tx.commit().await?;
        Ok(Json(found.into()))
    }

    #[oai(
        path = "/partners/:partner/limits",
        method = "put",
        operation_id = "limit_partner"
    )]
    async fn limit_partner(
        &self,
        key: Key,
        partner: Path<String>,
        limits: Json<PartnerLimits>,
    ) -> Result<Json<PartnerView>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let name = &partner.0;
        let mut tx = self.api.app.pool.begin().await?;
        let PartnerLimits {
            max_running,
            calls_per_second,
        } = limits.0;
        if calls_per_second.is_some_and(|rate| !rate.is_finite() || rate <= 0.0)
            || max_running == Some(0)
        {
            return Err(Problem::invalid("a limit is above 0, or absent".to_owned()));
        }
        Partner::limit(&mut tx, name, max_running, calls_per_second).await?;
        let found = Partner::find(&mut tx, name).await?;
        let found = found.ok_or_else(|| Problem::not_found("partner", name))?;
        Audit::note(&mut tx, &who.name, "limit", &format!("partner {name}")).await?;
        tx.commit().await?;
        Ok(Json(found.into()))
    }

    #[oai(path = "/schedules", method = "get", operation_id = "list_schedules")]
    async fn list_schedules(&self, key: Key) -> Result<Json<Vec<ScheduleView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let schedules = stores::Schedules::list(&mut *self.api.app.pool.acquire().await?).await?;
        Ok(Json(schedules.into_iter().map(Into::into).collect()))
    }

    /// What became of each tick, newest first.
    #[oai(
        path = "/schedules/:schedule/ticks",
        method = "get",
        operation_id = "list_ticks"
    )]
    async fn list_ticks(
        &self,
        key: Key,
        schedule: Path<String>,
        /// At most 1000; 100 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<TickView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        self.schedule(&schedule.0).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let limit = limit.0.unwrap_or(100).clamp(1, 1_000);
        let ticks = stores::Schedules::ticks(&mut conn, &schedule.0, limit).await?;
        let views = ticks.into_iter().map(|tick| TickView {
            tick_at: tick.tick_at.to_string(),
            verdict: tick.verdict,
            job_id: tick.job_id,
        });
        Ok(Json(views.collect()))
    }

    /// Edit, pause, resume; what is absent stays.
    #[oai(
        path = "/schedules/:schedule",
        method = "patch",
        operation_id = "change_schedule"
    )]
    async fn change_schedule(
        &self,
        key: Key,
        schedule: Path<String>,
        change: Json<ScheduleChange>,
    ) -> Result<Json<ScheduleView>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let mut edited = self.schedule(&schedule.0).await?;
        let change = change.0;
        edited.cron = change.cron.unwrap_or(edited.cron);
        edited.time_zone = change.time_zone.unwrap_or(edited.time_zone);
        edited.args = change.args.unwrap_or(edited.args);
        edited.catch_up_seconds = change
            .catch_up_seconds
            .unwrap_or(edited.catch_up_seconds)
            .max(0);
        if let Some(word) = change.overlap {
            edited.overlap = Overlap::parse(&word).ok_or_else(|| {
                Problem::invalid(format!(
                    "no overlap is called {word:?}: skip, buffer_one, allow"
                ))
            })?;
        }
        jobs::loops::check_schedule(&edited).map_err(|error| refused(&error))?;
        let mut tx = self.api.app.pool.begin().await?;
        stores::Schedules::edit(&mut tx, &edited).await?;
        if let Some(paused) = change.paused {
            stores::Schedules::pause(&mut tx, &edited.key, paused.then_some(who.name.as_str()))
                .await?;
        }
        Audit::note(
            &mut tx,
            &who.name,
            "change",
            &format!("schedule {}", edited.key),
        )
        .await?;
        tx.commit().await?;
        Ok(Json(self.schedule(&schedule.0).await?.into()))
    }

    /// Now, outside its times.
    #[oai(
        path = "/schedules/:schedule/runs",
        method = "post",
        operation_id = "run_schedule"
    )]
    async fn run_schedule(&self, key: Key, schedule: Path<String>) -> Result<Accepted, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let schedule = self.schedule(&schedule.0).await?;
        let fired = jobs::loops::fire(&self.api.app, &schedule, &who.name).await;
        let fired = fired.map_err(|error| refused(&error))?;
        let (id, _) = fired
            .ok_or_else(|| Problem::invalid("it was run in this very moment already".to_owned()))?;
        let mut conn = self.api.app.pool.acquire().await?;
        Audit::note(
            &mut conn,
            &who.name,
            "run now",
            &format!("schedule {}", schedule.key),
        )
        .await?;
        let body = AcceptedJob {
            id,
            existing: false,
        };
        Ok(Accepted::Job(Json(body), format!("/v2/jobs/{id}")))
    }

    /// Runs the ticks of a time that has passed and that did not run.
    #[oai(
        path = "/schedules/:schedule/backfills",
        method = "post",
        operation_id = "backfill_schedule"
    )]
    async fn backfill_schedule(
        &self,
        key: Key,
        schedule: Path<String>,
        range: Json<Range>,
    ) -> Result<Json<Backfilled>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let schedule = self.schedule(&schedule.0).await?;
        let moment = |name: &str, text: &str| -> Result<jiff::Timestamp, Problem> {
            text.parse().map_err(|_| {
                Problem::invalid(format!(
                    "{name}: {text:?} is no time like 2026-11-20T00:00:00Z"
                ))
            })
        };
        let (from, to) = (moment("from", &range.0.from)?, moment("to", &range.0.to)?);
        let jobs = jobs::loops::backfill(&self.api.app, &schedule, from, to, &who.name).await;
        let jobs = jobs.map_err(|error| refused(&error))?;
        let mut conn = self.api.app.pool.acquire().await?;
        Audit::note(
            &mut conn,
            &who.name,
            "backfill",
            &format!("schedule {}", schedule.key),
        )
        .await?;
        Ok(Json(Backfilled { jobs }))
    }
}

impl Control {
    async fn schedule(&self, key: &str) -> Result<stores::Schedule, Problem> {
        let found = stores::Schedules::find(&mut *self.api.app.pool.acquire().await?, key).await?;
        found.ok_or_else(|| Problem::not_found("schedule", key))
    }
}

/// What an operator wrote is theirs to mend; the rest is ours.
fn refused(error: &ScheduleError) -> Problem {
    match error {
        ScheduleError::Store(_) | ScheduleError::Queue(_) | ScheduleError::Sql(_) => {
            Problem::internal()
        }
        wrong => Problem::invalid(wrong.to_string()),
    }
}
