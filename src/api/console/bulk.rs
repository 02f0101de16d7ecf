//! Actions on a filter: a preview before, the result of each job after.

use super::form::Form;
use super::page::{Page, at, csrf, job_link, partner_link, pill};
use super::session::Session;
use super::{Res, Trouble, job};
use crate::Api;
use maud::{Markup, html};
use queue::{BulkAction, BulkError, Bulks, JobFilter, Priority};

impl From<BulkError> for Trouble {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::Everything => Self::Invalid(
                "this would touch every job: narrow the filter, or tick that everything is meant"
                    .to_owned(),
            ),
            BulkError::State { .. } => Self::Invalid(error.to_string()),
            other => Self::Internal(other.into()),
        }
    }
}

const ACTIONS: [(&str, &str); 7] = [
    ("retry", "retry"),
    ("cancel", "cancel"),
    ("move", "run now"),
    ("high", "priority high"),
    ("normal", "priority normal"),
    ("low", "priority low"),
    ("delete", "delete"),
];

pub(super) fn actions() -> Markup {
    html! {
        select name="action" aria-label="What to do" {
            @for (word, label) in ACTIONS { option value=(word) { (label) } }
        }
        " " label { "so many a second " input type="number" name="pace" min="0" step="any" size="5" placeholder="all at once"; } " "
    }
}

/// What a form asks for, and of which jobs: those ticked, or the whole filter.
pub(super) fn order(form: &Form) -> Res<(BulkAction, JobFilter)> {
    let pace = match form.get("pace") {
        Some(text) => Some(
            text.parse()
                .map_err(|_| Trouble::Invalid(format!("not a number: {text:?}")))?,
        ),
        None => None,
    };
    let action = match form.need("action")? {
        "retry" => BulkAction::Retry { per_second: pace },
        "cancel" => BulkAction::Cancel,
        "delete" => BulkAction::Delete,
        "move" => BulkAction::Move {
            in_seconds: 0.0,
            per_second: pace,
        },
        word => BulkAction::Reprioritise {
            priority: Priority::parse(word)
                .ok_or_else(|| Trouble::Invalid(format!("no action is called {word:?}")))?,
        },
    };
    let mut filter = job::filter(form)?;
    if form.get("whole").is_some() {
        filter.ids = None;
    } else if filter.ids.is_none() {
        return Err(Trouble::Invalid(
            "tick some jobs, or say that all of the filter is meant".to_owned(),
        ));
    }
    Ok((action, filter))
}

pub(super) async fn preview(api: &Api, session: &Session, form: &Form) -> Res<Page> {
    let (action, filter) = order(form)?;
    let mut conn = api.app.pool.acquire().await?;
    let preview = Bulks::preview(&mut conn, &action, &filter).await?;
    let word = form.need("action")?;
    let body = html! {
        h1 { "Preview: " (action.as_str()) " " (preview.jobs) " jobs" }
        p { "Nothing is done yet. A job that goes on meanwhile is left alone, and each job's result is kept." }
        div class="columns" {
            section {
                h2 { "Whom they call" }
                table {
                    thead { tr { th { "Partner" } th { "Jobs" } } }
                    tbody { @for (partner, jobs) in &preview.by_partner { tr { td { (partner_link(partner)) } td class="n" { (jobs) } } } }
                }
            }
            section {
                h2 { "A sample" }
                table {
                    thead { tr { th { "Job" } th { "Kind" } th { "State" } } }
                    tbody { @for (id, kind, state) in &preview.sample { tr { td { (job_link(*id)) } td { (kind) } td { (pill(state)) } } } }
                }
            }
        }
        form method="post" action="/console/jobs/act" class="deeds" {
            (csrf(session))
            (job::hidden(form))
            @if form.get("whole").is_some() { input type="hidden" name="whole" value="1"; }
            @else { @for id in form.all("id") { input type="hidden" name="id" value=(id); } }
            input type="hidden" name="action" value=(word);
            @if let Some(pace) = form.get("pace") { input type="hidden" name="pace" value=(pace); }
            @if filter.is_empty() { label { input type="checkbox" name="all" value="1"; " everything is meant" } " " }
            button class="primary" disabled[preview.jobs == 0] { "Do it: " (action.as_str()) " " (preview.jobs) " jobs" }
            " " a href="/console/jobs" { "Leave it" }
        }
    };
    Ok(Page::new("Preview", "/console/jobs", body))
}

pub(super) async fn page(api: &Api, id: i64) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let bulk = Bulks::find(&mut conn, id)
        .await?
        .ok_or_else(|| Trouble::NotFound(format!("bulk action {id}")))?;
    let results = Bulks::results(&mut conn, id, None, 200).await?;
    let ended = bulk.done + bulk.skipped;
    let filter = serde_json::to_string(&bulk.filter)?;
    let body = html! {
        h1 { "Bulk action " (id) ": " (bulk.action.as_str()) }
        p { "By " (bulk.who) ", " (at(bulk.created_at)) ", on " code { (filter) } }
        p {
            progress max=(bulk.matched.max(1)) value=(ended) aria-label={ (ended) " of " (bulk.matched) " jobs" } {} " "
            (bulk.done) " done, " (bulk.skipped) " skipped, of " (bulk.matched) " "
            @if bulk.ended_at.is_some() { (pill("done")) } @else { (pill("running")) }
        }
        table {
            thead { tr { th { "Job" } th { "Result" } } }
            tbody { @for (job, result) in &results { tr { td { (job_link(*job)) } td { (result) } } } }
        }
    };
    Ok(Page::new(
        format!("Bulk action {id}"),
        "/console/jobs",
        body,
    ))
}
