//! Queues: depth, the oldest ready job, throughput, latency; pause, resume, limit.

use super::Res;
use super::form::escaped;
use super::page::{Page, button, csrf, pill, span};
use super::session::Session;
use crate::Api;
use maud::html;
use queue::{Gate, Overview, gate};

pub(super) async fn page(api: &Api, session: &Session) -> Res<Page> {
    let lanes = api.app.engine.lanes(None).await?;
    let mut conn = api.app.pool.acquire().await?;
    let queues = Overview::queues(&mut conn).await?;
    let blocked: Vec<(&str, String)> = lanes
        .iter()
        .filter_map(|lane| match gate(lane, lane.as_of) {
            Gate::Blocked { reason, .. } => Some((lane.queue.as_str(), reason)),
            Gate::Open { .. } => None,
        })
        .collect();
    let body = html! {
        h1 { "Queues" }
        table {
            thead { tr {
                th { "Queue" } th { "Ready" } th { "Later" } th { "Running" } th { "Oldest ready" } th { "Done, 5 min" }
                th { "Dead, 5 min" } th { "p50 / p95" } th { "Workers" } th { "At once" }
                @if session.operates() { th { "Do" } }
            } }
            tbody {
                @for queue in &queues {
                    @let address = format!("/console/queues/{}", escaped(&queue.queue));
                    tr {
                        td { b { (queue.queue) } " " @if queue.paused_by.is_some() { (pill("paused")) } }
                        td class="n" { a href={ "/console/jobs?state=ready&queue=" (escaped(&queue.queue)) } { (queue.ready) } }
                        td class="n" { a href={ "/console/jobs?state=scheduled&queue=" (escaped(&queue.queue)) } { (queue.scheduled) } }
                        td class="n" { a href={ "/console/jobs?state=running&queue=" (escaped(&queue.queue)) } { (queue.running) } }
                        td class="n" { (span(queue.oldest_ready_seconds)) }
                        td class="n" { (queue.done_5m) }
                        td class="n" { @if queue.dead_5m > 0 { b class="bad" { (queue.dead_5m) } } @else { "0" } }
                        td class="n" {
                            @if let (Some(p50), Some(p95)) = (queue.p50_seconds, queue.p95_seconds) { (span(p50)) " / " (span(p95)) }
                            @else { span class="dim" { "–" } }
                        }
                        td class="n" { @if queue.workers == 0 { b class="bad" { "0" } } @else { (queue.workers) } }
                        @if session.operates() {
                            td class="deeds" {
                                form method="post" action=(address) class="inline" {
                                    (csrf(session))
                                    input type="number" name="max" min="0" max="65535" placeholder="none"
                                        aria-label={ "Jobs of " (queue.queue) " at once, empty for no limit" } value=[queue.max_running];
                                    button name="action" value="limit" { "Limit" }
                                }
                            }
                            td class="deeds" {
                                @if queue.paused_by.is_some() { (button(session, &address, "resume", "Resume")) }
                                @else { (button(session, &address, "pause", "Pause")) }
                            }
                        } @else {
                            td class="n" { @if let Some(max) = queue.max_running { (max) } @else { span class="dim" { "no limit" } } }
                        }
                    }
                }
            }
        }
        @if queues.is_empty() { p class="dim" { "No queue has had a job yet." } }
        @if !blocked.is_empty() {
            h2 { "Held up" }
            ul { @for (queue, reason) in blocked { li { b { (queue) } ": " (reason) } } }
        }
    };
    Ok(Page::new("Queues", "/console/queues", body))
}
