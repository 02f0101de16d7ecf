//! What an operator does: each writes its audit row, and says in words what came of it.

use super::form::{Form, escaped};
use super::session::Session;
use super::{Answer, Res, Trouble, bulk};
use crate::Api;
use jobs::act_on_jobs::AcceptError;
use jobs::by_hand::{self, Hand};
use jobs::loops::ScheduleError;
use jobs::sources::SourceProblem;
use queue::{Lane, Partner, QueueName};
use stores::{Audit, Schedules, StoreError};

impl From<AcceptError> for Trouble {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Bulk(error) => error.into(),
            other => Self::Internal(other.into()),
        }
    }
}

impl From<ScheduleError> for Trouble {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Store(error) => error.into(),
            ScheduleError::Queue(error) => error.into(),
            ScheduleError::Sql(error) => error.into(),
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<SourceProblem> for Trouble {
    fn from(problem: SourceProblem) -> Self {
        match problem {
            SourceProblem::Order(why) | SourceProblem::Conflict(why) => Self::Invalid(why),
            SourceProblem::Store(StoreError::NotFound { what, key }) => {
                Self::NotFound(format!("{what} {key:?}"))
            }
            other => Self::Internal(other.into()),
        }
    }
}

fn unknown(word: &str) -> Trouble {
    Trouble::Invalid(format!("no action is called {word:?}"))
}

pub(super) async fn queue(api: &Api, session: &Session, name: &str, form: &Form) -> Res<Answer> {
    let queue =
        QueueName::parse(name).ok_or_else(|| Trouble::NotFound(format!("queue {name:?}")))?;
    let who = session.name.as_str();
    let mut tx = api.app.pool.begin().await?;
    let (word, said) = match form.need("action")? {
        "pause" => {
            Lane::set_paused(&mut tx, queue, Some(who)).await?;
            ("pause", format!("Queue {name} is paused."))
        }
        "resume" => {
            Lane::set_paused(&mut tx, queue, None).await?;
            ("resume", format!("Queue {name} goes on."))
        }
        "limit" => {
            let max: u16 = count(form, "max")?.unwrap_or(0);
            Lane::limit_queue(&mut tx, queue, (max > 0).then_some(max)).await?;
            let said = match max {
                0 => format!("Queue {name} has no limit."),
                _ => format!("Queue {name} runs {max} at once."),
            };
            ("limit", said)
        }
        word => return Err(unknown(word)),
    };
    Audit::note(&mut tx, who, word, &format!("queue {name}")).await?;
    tx.commit().await?;
    Ok(Answer::See("/console/queues".to_owned(), said))
}

fn count<T: std::str::FromStr>(form: &Form, name: &str) -> Res<Option<T>> {
    match form.get(name) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| Trouble::Invalid(format!("{name}: {text:?} is no such number"))),
    }
}

/// On one job or many: the same action, the same ledger.
pub(super) async fn jobs(api: &Api, session: &Session, form: &Form) -> Res<Answer> {
    let (action, filter) = bulk::order(form)?;
    let all = form.get("all").is_some();
    let (bulk, _) =
        jobs::act_on_jobs::accept(&api.app, &action, &filter, all, &session.name).await?;
    let one = match filter.ids.as_deref() {
        Some([id]) => Some(*id),
        _ => None,
    };
    if let Some(id) = one {
        // Nobody should wait for a worker to see one job move; its job finds nothing left.
        let catalogue = &api.catalogue;
        let kinds = |kind: &str, args: &serde_json::Value| catalogue.revival(kind, args);
        while queue::Bulks::step(&api.app.engine, bulk.id, &kinds).await? {}
        let mut conn = api.app.pool.acquire().await?;
        let results = queue::Bulks::results(&mut conn, bulk.id, None, 1).await?;
        let said = results
            .first()
            .map_or("skipped: it is not in a state for that".to_owned(), |row| {
                row.1.clone()
            });
        let to = if action == queue::BulkAction::Delete {
            "/console/jobs".to_owned()
        } else {
            format!("/console/jobs/{id}")
        };
        return Ok(Answer::See(to, format!("Job {id}: {said}.")));
    }
    let said = format!("Under way: {} on {} jobs.", action.as_str(), bulk.matched);
    Ok(Answer::See(format!("/console/bulk/{}", bulk.id), said))
}

pub(super) async fn schedule(api: &Api, session: &Session, key: &str, form: &Form) -> Res<Answer> {
    let who = session.name.as_str();
    let mut conn = api.app.pool.acquire().await?;
    let schedule = Schedules::find(&mut conn, key)
        .await?
        .ok_or_else(|| Trouble::NotFound(format!("schedule {key:?}")))?;
    let here = format!("/console/schedules/{}", escaped(key));
    let (word, said) = match form.need("action")? {
        "run" => {
            let fired = jobs::loops::fire(&api.app, &schedule, who).await?;
            let said = match fired {
                Some((job, run)) => format!("Fired: job {job}, run {run}."),
                None => "It was fired in this very moment already.".to_owned(),
            };
            ("run now", said)
        }
        "pause" => {
            Schedules::pause(&mut conn, key, Some(who)).await?;
            (
                "pause",
                "Paused: its ticks are written down as skipped.".to_owned(),
            )
        }
        "resume" => {
            Schedules::pause(&mut conn, key, None).await?;
            ("resume", "It goes on.".to_owned())
        }
        "backfill" => {
            let (from, to) = (moment(form, "from")?, moment(form, "to")?);
            if from > to {
                return Err(Trouble::Invalid("from is after to".to_owned()));
            }
            let made = jobs::loops::backfill(&api.app, &schedule, from, to, who).await?;
            ("backfill", format!("{} ticks backfilled.", made.len()))
        }
        word => return Err(unknown(word)),
    };
    Audit::note(&mut conn, who, word, &format!("schedule {key}")).await?;
    Ok(Answer::See(here, said))
}

fn moment(form: &Form, name: &str) -> Res<jiff::Timestamp> {
    let text = form.need(name)?;
    text.parse()
        .or_else(|_| format!("{text}Z").parse())
        .or_else(|_| format!("{text}:00Z").parse())
        .map_err(|_| {
            Trouble::Invalid(format!(
                "{name}: {text:?} is not a moment, as 2026-11-20T02:00"
            ))
        })
}

pub(super) async fn partner(api: &Api, session: &Session, name: &str, form: &Form) -> Res<Answer> {
    let who = session.name.as_str();
    let mut tx = api.app.pool.begin().await?;
    let (done, word) = match form.need("action")? {
        "probe" => (Partner::probe_now(&mut tx, name, who).await?, "probe"),
        "close" => (Partner::close(&mut tx, name, who, false).await?, "close"),
        "force_close" => (
            Partner::close(&mut tx, name, who, true).await?,
            "force close",
        ),
        "isolate" => {
            let why = form.get("why").unwrap_or("isolated by hand");
            (Partner::isolate(&mut tx, name, who, why).await?, "isolate")
        }
        "limit" => {
            let running: u16 = count(form, "running")?.unwrap_or(0);
            let calls: f64 = count(form, "calls")?.unwrap_or(0.0);
            let running = (running > 0).then_some(running);
            let calls = (calls > 0.0).then_some(calls);
            (
                Partner::limit(&mut tx, name, running, calls).await?,
                "limit",
            )
        }
        word => return Err(unknown(word)),
    };
    if done {
        Audit::note(&mut tx, who, word, &format!("partner {name}")).await?;
    }
    tx.commit().await?;
    let said = match (done, word) {
        (true, "probe") => "The next call probes it.".to_owned(),
        (true, word) => format!("Done: {word}."),
        (false, word) => format!("It is not in a state for that: {word}."),
    };
    Ok(Answer::See(
        format!("/console/partners/{}", escaped(name)),
        said,
    ))
}

fn hand(session: &Session) -> Hand<'_> {
    Hand {
        who: &session.name,
        by: "console",
    }
}

pub(super) async fn source(api: &Api, session: &Session, key: &str, form: &Form) -> Res<Answer> {
    let app = &api.app;
    let said = match form.need("action")? {
        "pull" => {
            let job = by_hand::pull(app, key, hand(session)).await?;
            format!("Looking for new files: job {}.", job.id)
        }
        "reload" => {
            let file = by_hand::reload(app, key, hand(session)).await?;
            format!("It is loaded again, as file {file}.")
        }
        "pause" => {
            by_hand::pause(app, key, true, &session.name).await?;
            "Paused: what comes meanwhile waits in the drop.".to_owned()
        }
        "resume" => {
            by_hand::pause(app, key, false, &session.name).await?;
            "It goes on.".to_owned()
        }
        word => return Err(unknown(word)),
    };
    let here = format!("/console/sources/{}", escaped(key));
    Ok(Answer::See(here, said))
}

pub(super) async fn file(api: &Api, session: &Session, id: i64, form: &Form) -> Res<Answer> {
    match form.need("action")? {
        "release" => {
            let job = by_hand::release(&api.app, id, hand(session)).await?;
            let said = format!("Let through: job {}.", job.id);
            Ok(Answer::See(format!("/console/files/{id}"), said))
        }
        word => Err(unknown(word)),
    }
}
