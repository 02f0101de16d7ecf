//! Runs: what one cause started, with one progress bar for all of it.

use super::form::Form;
use super::page::{Page, at, maybe_at, pill};
use super::{Res, Trouble};
use crate::Api;
use maud::{Markup, html};
use queue::{JobFilter, Jobs, Overview, RunRecord};

const PAGE: usize = 50;

pub(super) fn progress(run: &RunRecord) -> Markup {
    let ended = run.done + run.dead + run.cancelled;
    let all = ended + run.waiting + run.running;
    html! {
        progress max=(all.max(1)) value=(ended) aria-label={ (ended) " of " (all) " jobs ended" } {}
        " " span class="dim" { (ended) " of " (all) }
    }
}

pub(super) async fn list(api: &Api, query: &Form) -> Res<Page> {
    let before = query.get("before").and_then(|id| id.parse().ok());
    let mut conn = api.app.pool.acquire().await?;
    let limit = i64::try_from(PAGE).unwrap_or(50);
    let runs = Overview::runs(&mut conn, before, limit).await?;
    let next = runs.last().filter(|_| runs.len() == PAGE).map(|run| run.id);
    let body = html! {
        h1 { "Runs" }
        table {
            thead { tr { th { "Run" } th { "What" } th { "Why" } th { "Began" } th { "Ended" } th { "Progress" } th { "Dead" } } }
            tbody {
                @for run in &runs {
                    tr {
                        td { a href={ "/console/runs/" (run.id) } { (run.id) } }
                        td { (run.subject) }
                        td class="dim" { (run.cause) }
                        td { (at(run.started_at)) }
                        td { (maybe_at(run.finished_at)) }
                        td { (progress(run)) }
                        td class="n" { @if run.dead > 0 { b class="bad" { (run.dead) } } @else { "0" } }
                    }
                }
            }
        }
        @if runs.is_empty() { p class="dim" { "Nothing has run yet." } }
        @if let Some(next) = next { p { a href={ "/console/runs?before=" (next) } { "Older" } } }
    };
    Ok(Page::new("Runs", "/console/runs", body))
}

pub(super) async fn one(api: &Api, id: i64) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let run = Overview::run(&mut conn, id)
        .await?
        .ok_or_else(|| Trouble::NotFound(format!("run {id}")))?;
    let filter = JobFilter {
        run_id: Some(id),
        ..JobFilter::default()
    };
    let jobs = Jobs::list(&mut conn, &filter, None, 100).await?;
    let body = html! {
        h1 { "Run " (id) ": " (run.subject) }
        p { (run.cause) ", began " (at(run.started_at)) ", ended " (maybe_at(run.finished_at)) }
        p { (progress(&run)) }
        p { (pill("done")) " " (run.done) " " (pill("dead")) " " (run.dead) " " (pill("cancelled")) " " (run.cancelled) " "
            (pill("running")) " " (run.running) " " (pill("waiting")) " " (run.waiting) }
        (super::job::table(&jobs, None))
        p { a href={ "/console/jobs?run=" (id) } { "All its jobs" } }
    };
    Ok(Page::new(format!("Run {id}"), "/console/runs", body))
}
