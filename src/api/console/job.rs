//! Jobs: a filter that stays in the address, and one job with everything that is known of it.

use super::form::{Form, escaped};
use super::page::{self, Page, at, csrf, job_link, maybe_at, partner_link, pill};
use super::session::Session;
use super::{Res, Trouble};
use crate::Api;
use maud::{Markup, html};
use queue::{
    AttemptLines, AttemptRecord, Cause, Effects, Explanation, JobFilter, JobRecord, JobState, Jobs,
    QueueName,
};

const PAGE: usize = 50;

/// What an address or a form says; every part narrows.
pub(super) fn filter(form: &Form) -> Res<JobFilter> {
    let invalid = |what: &str, value: &str| Trouble::Invalid(format!("{what} {value:?}"));
    let state = match form.get("state") {
        Some(word) => {
            Some(JobState::parse(word).ok_or_else(|| invalid("no state is called", word))?)
        }
        None => None,
    };
    let args = match form.get("args") {
        Some(text) => Some(args(text)?),
        None => None,
    };
    let moment = |name: &str| match form.get(name) {
        Some(text) => moment(text)
            .map(Some)
            .ok_or_else(|| invalid("not a moment:", text)),
        None => Ok(None),
    };
    let run_id = match form.get("run") {
        Some(text) => Some(text.parse().map_err(|_| invalid("not a run:", text))?),
        None => None,
    };
    let ids: Vec<i64> = form
        .all("id")
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let text = |name: &str| form.get(name).map(str::to_owned);
    Ok(JobFilter {
        state,
        kind: text("kind"),
        queue: text("queue"),
        partner: text("partner"),
        run_id,
        args,
        words: text("words"),
        since: moment("since")?,
        until: moment("until")?,
        ids: (!ids.is_empty()).then_some(ids),
    })
}

/// JSON as it is, or `source=bayview`, several with commas.
fn args(text: &str) -> Res<serde_json::Value> {
    if text.starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| Trouble::Invalid(format!("arguments: {error}")));
    }
    let mut fields = serde_json::Map::new();
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Trouble::Invalid(format!("arguments are name=value or JSON, not {pair:?}"))
        })?;
        let value = value.trim();
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        fields.insert(name.trim().to_owned(), value);
    }
    Ok(fields.into())
}

/// As `datetime-local` sends it (taken as UTC), or with its offset.
fn moment(text: &str) -> Option<jiff::Timestamp> {
    text.parse()
        .ok()
        .or_else(|| format!("{text}Z").parse().ok())
        .or_else(|| format!("{text}:00Z").parse().ok())
}

pub(super) async fn list(api: &Api, session: &Session, query: &Form) -> Res<Page> {
    let filter = filter(query)?;
    let before = query.get("before").and_then(|id| id.parse().ok());
    let mut conn = api.app.pool.acquire().await?;
    let limit = i64::try_from(PAGE).unwrap_or(50);
    let jobs = Jobs::list(&mut conn, &filter, before, limit).await?;
    let next = jobs.last().filter(|_| jobs.len() == PAGE).map(|job| job.id);
    let kinds: Vec<&str> = api.catalogue.iter().map(|kind| kind.name).collect();
    let body = html! {
        h1 { "Jobs" }
        (states(query))
        form method="get" action="/console/jobs" class="filter" {
            @if let Some(state) = query.get("state") { input type="hidden" name="state" value=(state); }
            (choice("kind", "Kind", &kinds, query))
            (choice("queue", "Queue", &QueueName::ALL.map(QueueName::as_str), query))
            (field("partner", "Partner", "sftp bayview", query))
            (field("args", "Arguments", "source=bayview", query))
            (field("words", "Error or reason", "timed out", query))
            (field("run", "Run", "", query))
            (field("since", "Since (UTC)", "2026-11-20T02:00", query))
            (field("until", "Until (UTC)", "", query))
            button class="primary" { "Filter" }
            " " a href="/console/jobs" { "Clear" }
        }
        @if session.operates() {
            form method="post" action="/console/jobs/preview" {
                (csrf(session))
                (hidden(query))
                (table(&jobs, Some(session)))
                fieldset class="bulk" {
                    legend { "Do to those ticked, or to all of the filter" }
                    (super::bulk::actions())
                    label { input type="checkbox" name="whole" value="1"; " all of the filter" }
                    " " button { "Preview" }
                }
            }
        } @else { (table(&jobs, None)) }
        @if let Some(next) = next {
            p { a href={ "/console/jobs?" (query.with(&[("before", &next.to_string())])) } { "Older" } }
        }
    };
    Ok(Page::new("Jobs", "/console/jobs", body))
}

fn states(query: &Form) -> Markup {
    let now = query.get("state").unwrap_or_default();
    html! {
        p class="tabs" {
            a href={ "/console/jobs?" (query.with(&[("state", ""), ("before", "")])) } aria-current=[now.is_empty().then_some("true")] { "all" }
            @for state in JobState::ALL {
                a href={ "/console/jobs?" (query.with(&[("state", state.as_str()), ("before", "")])) }
                    aria-current=[(now == state.as_str()).then_some("true")] { (state.as_str()) }
            }
        }
    }
}

fn field(name: &str, label: &str, hint: &str, query: &Form) -> Markup {
    html! {
        label { (label) br; input name=(name) value=(query.get(name).unwrap_or_default()) placeholder=(hint); }
    }
}

fn choice(name: &str, label: &str, all: &[&str], query: &Form) -> Markup {
    let now = query.get(name).unwrap_or_default();
    html! {
        label { (label) br;
            select name=(name) {
                option value="" { "any" }
                @for value in all { option value=(value) selected[*value == now] { (value) } }
            }
        }
    }
}

/// The filter travels with the form that acts.
pub(super) fn hidden(query: &Form) -> Markup {
    html! {
        @for name in ["state", "kind", "queue", "partner", "args", "words", "run", "since", "until"] {
            @if let Some(value) = query.get(name) { input type="hidden" name=(name) value=(value); }
        }
    }
}

/// With boxes to tick when somebody may act.
pub(super) fn table(jobs: &[JobRecord], acts: Option<&Session>) -> Markup {
    html! {
        table {
            thead { tr {
                @if acts.is_some() { th { span class="hidden" { "Choose" } } }
                th { "Job" } th { "State" } th { "Kind" } th { "Queue" } th { "Partner" } th { "Due" } th { "Try" } th { "Arguments, and what it says" }
            } }
            tbody {
                @for job in jobs {
                    tr {
                        @if acts.is_some() { td { input type="checkbox" name="id" value=(job.id) aria-label={ "job " (job.id) }; } }
                        td { (job_link(job.id)) }
                        td { (pill(job.state.as_str())) }
                        td { (job.kind) }
                        td { (job.queue) }
                        td { (partner_link(&job.partner)) }
                        td { (at(job.run_at)) }
                        td class="n" { (job.attempt) "/" (job.max_attempts) }
                        td class="said" { code { (short(&job.args)) } @if let Some(said) = said(job) { div { (said) } } }
                    }
                }
            }
        }
        @if jobs.is_empty() { p class="dim" { "No job is like that." } }
    }
}

fn short(args: &serde_json::Value) -> String {
    let text = args.to_string();
    match text.char_indices().nth(90) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn said(job: &JobRecord) -> Option<&str> {
    let error = job
        .error
        .as_ref()
        .and_then(|error| error["message"].as_str());
    error.or(job.why.as_deref())
}

pub(super) async fn one(api: &Api, session: &Session, id: i64) -> Res<Page> {
    let app = &api.app;
    let job = queue::Engine::find(&app.engine, id).await?;
    let job = job.ok_or_else(|| Trouble::NotFound(format!("job {id}")))?;
    let why = queue::explain(&app.engine, id).await?;
    let mut conn = app.pool.acquire().await?;
    let attempts = Jobs::timeline(&mut conn, id).await?;
    let logs = Jobs::logs(&mut conn, id).await?;
    let effects = Effects::of(&mut conn, id).await?;
    let body = html! {
        h1 { "Job " (job.id) ": " (job.kind) " " (pill(job.state.as_str())) }
        @if let Some(why) = &why { (explained(why)) }
        @if session.operates() { (deeds(session, &job)) }
        @if let Some(progress) = &job.progress {
            p { progress max=(progress["total"].as_u64().unwrap_or(1)) value=(progress["done"].as_u64().unwrap_or(0)) aria-label="progress" {} " "
                (progress["done"]) " of " (progress["total"]) " " (progress["what"].as_str().unwrap_or_default()) }
        }
        (facts(&job))
        (timeline(&job, &attempts))
        @if let Some(error) = &job.error { section { h2 { "Error" } (page::json(error)) } }
        section { h2 { "Arguments" } (page::json(&job.args)) }
        @if let Some(report) = &job.report { section { h2 { "Report" } (page::json(report)) } }
        @if !effects.is_empty() {
            section { h2 { "What it did outside" }
                ul { @for (step, digest) in &effects { li { (step) ": " code { (digest) } } } } }
        }
        (logged(&logs))
    };
    Ok(Page::new(format!("Job {id}"), "/console/jobs", body))
}

fn explained(why: &Explanation) -> Markup {
    let tone = match why.cause {
        Cause::Ended | Cause::Running | Cause::InLine => "plain",
        _ => "warn",
    };
    html! {
        section class={ "note " (tone) } aria-label="Why" {
            p { b { @if why.cause == Cause::Ended { "How it ended: " } @else { "Why it is " (why.state.as_str()) ": " } } (why.reason) }
            @for then in &why.then { p { "After that: " (then) } }
            @if let Some(eta) = why.eta { p { "Expected " (at(eta)) } }
            @else if why.mend.is_some() && why.cause != Cause::Ended { p { "Not before somebody does something." } }
            @if let Some(mend) = &why.mend { p class="dim" { "On the command line: " code { (mend) } } }
        }
    }
}

/// What can be done to a job as it stands, as a bulk action on it alone.
fn deeds(session: &Session, job: &JobRecord) -> Markup {
    let deeds: &[(&str, &str)] = match job.state {
        JobState::Dead | JobState::Cancelled => &[("retry", "Retry"), ("delete", "Delete")],
        JobState::Done => &[("delete", "Delete")],
        JobState::Running => &[("cancel", "Cancel")],
        JobState::Scheduled => &[
            ("move", "Run now"),
            ("cancel", "Cancel"),
            ("high", "High priority"),
        ],
        JobState::Ready => &[("cancel", "Cancel"), ("high", "High priority")],
    };
    html! {
        form method="post" action="/console/jobs/act" class="deeds" {
            (csrf(session))
            input type="hidden" name="id" value=(job.id);
            @for (word, label) in deeds { button name="action" value=(word) { (label) } " " }
        }
    }
}

fn facts(job: &JobRecord) -> Markup {
    html! {
        dl {
            dt { "Queue" } dd { (job.queue) }
            dt { "Partner" } dd { (partner_link(&job.partner)) }
            dt { "Run" } dd { @if let Some(run) = job.run_id { a href={ "/console/runs/" (run) } { (run) } } @else { span class="dim" { "none" } } }
            dt { "Attempt" } dd { (job.attempt) " of " (job.max_attempts) ", snoozed " (job.snoozes) ", rescued " (job.rescues) }
            dt { "Enqueued" } dd { (at(job.created_at)) }
            dt { "Due" } dd { (at(job.run_at)) }
            dt { "Began" } dd { (maybe_at(job.started_at)) }
            dt { "Ended" } dd { (maybe_at(job.finished_at)) }
            dt { "Worker" } dd { (job.worker.as_deref().unwrap_or("none")) }
            dt { "Like it" } dd { a href={ "/console/jobs?kind=" (escaped(&job.kind)) } { "all " (job.kind) } }
        }
    }
}

fn timeline(job: &JobRecord, attempts: &[AttemptRecord]) -> Markup {
    html! {
        section {
            h2 { "Timeline" }
            ol class="timeline" {
                li { (at(job.created_at)) " enqueued" }
                @for attempt in attempts {
                    li {
                        (at(attempt.ended_at)) " "
                        @if attempt.outcome.starts_with("retried by") { b { (attempt.outcome) } }
                        @else {
                            "attempt " (attempt.attempt) " " (pill(&attempt.outcome)) " "
                            @if let Some(error) = &attempt.error { (error["message"].as_str().unwrap_or_default()) }
                            @if let Some(worker) = &attempt.worker { " " span class="dim" { (worker) } }
                        }
                    }
                }
                @if let Some(ended) = job.finished_at { li { (at(ended)) " " (pill(job.state.as_str())) } }
            }
        }
    }
}

fn logged(logs: &[AttemptLines]) -> Markup {
    html! {
        @if !logs.is_empty() {
            section {
                h2 { "Log" }
                @for log in logs {
                    h3 { "Attempt " (log.attempt) ", ended " (at(log.ended_at)) }
                    pre tabindex="0" { (log.lines.join("\n")) }
                }
            }
        }
    }
}
