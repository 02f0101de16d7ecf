//! The first page: did last night's files arrive, are the feeds fresh, is a partner down, what is wrong.

use super::Res;
use super::page::{self, Page, at, maybe_at, partner_link, pill};
use crate::Api;
use maud::{Markup, html};
use queue::{Overview, Partner, RunRecord};
use std::collections::HashMap;
use stores::{Alert, Alerts, FeedRun, Feeds, Files, SourceFile, SourceRow, Sources};

/// Files looked at for the newest of each source.
const FILES: i64 = 1_000;
/// A feed that was not confirmed for this long is stale, in hours.
const STALE_HOURS: f64 = 30.0;

pub(super) async fn page(api: &Api) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let now = stores::now(&mut conn).await?;
    let alerts = Alerts::open(&mut conn).await?;
    let sources = Sources::list(&mut conn).await?;
    let mut newest: HashMap<i64, SourceFile> = HashMap::new();
    for file in Files::list(&mut conn, None, FILES).await? {
        newest.entry(file.source_id).or_insert(file);
    }
    let stale = Feeds::stale(&mut conn, STALE_HOURS).await?;
    let mut feeds = Vec::new();
    for feed in Feeds::list(&mut conn).await? {
        let last = Feeds::runs(&mut conn, &feed.key, 1).await?.pop();
        feeds.push((feed.key, feed.name, last));
    }
    let shut = Partner::list_shut(&mut conn).await?;
    let runs = Overview::runs(&mut conn, None, 8).await?;
    let minutes = Overview::minutes(&mut conn).await?;
    let body = html! {
        h1 { "Tonight" }
        (alerts_part(&alerts))
        section {
            h2 { "Jobs" }
            (page::chart(&minutes, now))
            (runs_part(&runs))
        }
        div class="columns" {
            (sources_part(&sources, &newest))
            (feeds_part(&feeds, &stale))
        }
        (partners_part(&shut))
    };
    Ok(Page::new("Tonight", "/console/", body))
}

fn alerts_part(alerts: &[Alert]) -> Markup {
    html! {
        section {
            h2 { "Needs somebody" }
            @if alerts.is_empty() { p class="note good" { "Nothing is wrong." } }
            @else {
                ul class="alerts" {
                    @for alert in alerts {
                        li {
                            (pill(&alert.severity)) " "
                            b { (alert.what.replace('_', " ")) " " (alert.subject) } " "
                            (alert.message) " "
                            span class="dim" { "since " (at(alert.since)) }
                        }
                    }
                }
            }
        }
    }
}

fn runs_part(runs: &[RunRecord]) -> Markup {
    html! {
        table {
            caption { "Newest runs" }
            thead { tr { th { "Run" } th { "Began" } th { "Progress" } th { "Done" } th { "Dead" } } }
            tbody {
                @for run in runs {
                    tr {
                        td { a href={ "/console/runs/" (run.id) } { (run.subject) } " " span class="dim" { (run.cause) } }
                        td { (at(run.started_at)) }
                        td { (super::runs::progress(run)) }
                        td class="n" { (run.done) }
                        td class="n" { @if run.dead > 0 { b class="bad" { (run.dead) } } @else { "0" } }
                    }
                }
            }
        }
    }
}

fn sources_part(sources: &[SourceRow], newest: &HashMap<i64, SourceFile>) -> Markup {
    html! {
        section {
            h2 { "Sources" }
            table {
                thead { tr { th { "Source" } th { "Last file" } th { "Rows" } th { "Rejected" } th { "State" } } }
                tbody {
                    @for source in sources {
                        @let file = newest.get(&source.id);
                        tr {
                            td { (super::sources::source_link(&source.key)) }
                            td { (maybe_at(file.map(|file| file.seen_at))) }
                            td class="n" { (file.map_or(0, |file| file.counts.rows)) }
                            td class="n" { (file.map_or(0, |file| file.counts.rejected)) }
                            td {
                                @if source.paused { (pill("paused")) }
                                @else if let Some(file) = file { (pill(file.state.as_str())) }
                                @else { span class="dim" { "no file yet" } }
                            }
                        }
                    }
                }
            }
            @if sources.is_empty() { p class="dim" { "No source is set up." } }
        }
    }
}

fn feeds_part(feeds: &[(String, String, Option<FeedRun>)], stale: &[String]) -> Markup {
    html! {
        section {
            h2 { "Feeds" }
            table {
                thead { tr { th { "Feed" } th { "Last built" } th { "Rows" } th { "Left out" } th { "State" } } }
                tbody {
                    @for (key, name, last) in feeds {
                        tr {
                            td { (name) }
                            td { (maybe_at(last.as_ref().and_then(|run| run.finished_at))) }
                            td class="n" { (last.as_ref().map_or(0, |run| run.rows)) }
                            td class="n" { (last.as_ref().map_or(0, |run| run.excluded)) }
                            td {
                                @if stale.contains(key) { (pill("stale")) }
                                @else if let Some(run) = last { (pill(&run.state)) }
                                @else { span class="dim" { "not built yet" } }
                            }
                        }
                    }
                }
            }
            @if feeds.is_empty() { p class="dim" { "No feed is set up." } }
        }
    }
}

fn partners_part(shut: &[Partner]) -> Markup {
    html! {
        section {
            h2 { "Partners" }
            @if shut.is_empty() { p class="note good" { "Every partner may be called." } }
            @for partner in shut {
                p { (pill(partner.state.as_str())) " " (partner_link(&partner.name)) " "
                    (partner.reason.as_deref().unwrap_or_default()) " "
                    span class="dim" { "since " (at(partner.changed_at)) } }
            }
        }
    }
}
