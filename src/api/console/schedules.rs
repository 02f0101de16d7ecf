//! Schedules: when each fires next, its ledger of ticks, run now, pause, backfill.

use super::form::escaped;
use super::page::{Page, at, button, csrf, job_link, pill};
use super::session::Session;
use super::{Res, Trouble};
use crate::Api;
use maud::{Markup, html};
use stores::{Schedule, Schedules};

pub(super) async fn list(api: &Api, session: &Session) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let schedules = Schedules::list(&mut conn).await?;
    let body = html! {
        h1 { "Schedules" }
        table {
            thead { tr { th { "Schedule" } th { "Cron" } th { "Zone" } th { "Job" } th { "Next" } @if session.operates() { th { "Do" } } } }
            tbody {
                @for schedule in &schedules {
                    tr {
                        td { a href={ "/console/schedules/" (escaped(&schedule.key)) } { (schedule.key) } }
                        td { code { (schedule.cron) } }
                        td { (schedule.time_zone) }
                        td { (schedule.kind) }
                        td { (next(schedule)) }
                        @if session.operates() { td { (deeds(session, schedule)) } }
                    }
                }
            }
        }
        @if schedules.is_empty() { p class="dim" { "Nothing is scheduled." } }
    };
    Ok(Page::new("Schedules", "/console/schedules", body))
}

fn next(schedule: &Schedule) -> Markup {
    html! {
        @if let Some(who) = &schedule.paused_by { (pill("paused")) " by " (who) }
        @else {
            @match jobs::loops::next_tick(schedule, schedule.ticked_to) {
                Ok(moment) => (at(moment)),
                Err(error) => span class="bad" { (error) },
            }
        }
    }
}

fn deeds(session: &Session, schedule: &Schedule) -> Markup {
    let address = format!("/console/schedules/{}", escaped(&schedule.key));
    html! {
        (button(session, &address, "run", "Run now"))
        @if schedule.paused_by.is_some() { (button(session, &address, "resume", "Resume")) }
        @else { (button(session, &address, "pause", "Pause")) }
    }
}

pub(super) async fn one(api: &Api, session: &Session, key: &str) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let schedule = Schedules::find(&mut conn, key)
        .await?
        .ok_or_else(|| Trouble::NotFound(format!("schedule {key:?}")))?;
    let ticks = Schedules::ticks(&mut conn, key, 100).await?;
    let address = format!("/console/schedules/{}", escaped(key));
    let body = html! {
        h1 { (schedule.key) }
        dl {
            dt { "Cron" } dd { code { (schedule.cron) } " in " (schedule.time_zone) }
            dt { "Next" } dd { (next(&schedule)) }
            dt { "Job" } dd { (schedule.kind) " " code { (schedule.args) } }
            dt { "When the last still runs" } dd { (schedule.overlap.as_str().replace('_', " ")) }
            dt { "Catches up" } dd { (super::page::span(f64::from(u32::try_from(schedule.catch_up_seconds).unwrap_or(u32::MAX)))) }
        }
        @if session.operates() {
            div class="deeds" { (deeds(session, &schedule)) }
            form method="post" action=(address) class="deeds" {
                (csrf(session))
                label { "Backfill from (UTC) " input name="from" placeholder="2026-11-20T00:00" required; } " "
                label { "to " input name="to" placeholder="2026-11-21T00:00" required; } " "
                button name="action" value="backfill" { "Backfill" }
            }
        }
        h2 { "Ticks" }
        table {
            thead { tr { th { "Tick" } th { "Verdict" } th { "Job" } } }
            tbody {
                @for tick in &ticks {
                    tr { td { (at(tick.tick_at)) } td { (tick.verdict) } td { @if let Some(job) = tick.job_id { (job_link(job)) } } }
                }
            }
        }
        @if ticks.is_empty() { p class="dim" { "It has not fired yet." } }
    };
    Ok(Page::new(key, "/console/schedules", body))
}
