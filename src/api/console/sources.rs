//! Sources: where files come from, what became of each, what was refused of it and why.

use super::form::escaped;
use super::mappings::mapping_link;
use super::page::{Page, at, button, maybe_at, partner_link, pill};
use super::session::Session;
use super::{Res, Trouble};
use crate::Api;
use maud::{Markup, html};
use stores::{
    AfterLoad, Alerts, FileState, Files, Refused, Settle, SourceFile, SourceKind, SourceRow,
    Sources, StoreError,
};

/// Newest files of a source.
const SHOWN: i64 = 100;

pub(super) async fn list(api: &Api, session: &Session) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let mut sources = Sources::list(&mut conn).await?;
    // What needs somebody comes first.
    sources.sort_by_key(|source| source.last_file_state.as_deref() != Some("held"));
    let body = html! {
        h1 { "Sources" }
        table {
            thead { tr { th { "Source" } th { "Dealer" } th { "From" } th { "Mapping" } th { "Last file" } th { "State" }
                @if session.operates() { th { "Do" } } } }
            tbody {
                @for source in &sources {
                    tr {
                        td { (source_link(&source.key)) }
                        td { (source.dealer.as_deref().unwrap_or("each row's own")) }
                        td { (source.place()) }
                        td { (mapping_link(&source.mapping, None)) }
                        td { (maybe_at(source.last_file_at)) }
                        td { (state(source)) }
                        @if session.operates() { td { (deeds(session, source)) } }
                    }
                }
            }
        }
        @if sources.is_empty() { p class="dim" { "No source is set up: " code { "forecourt sources put" } } }
    };
    Ok(Page::new("Sources", "/console/sources", body))
}

pub(super) fn source_link(key: &str) -> Markup {
    html! { a href={ "/console/sources/" (escaped(key)) } { (key) } }
}

pub(super) fn state(source: &SourceRow) -> Markup {
    html! {
        @if source.paused { (pill("paused")) }
        @else if let Some(state) = &source.last_file_state { (pill(state)) }
        @else { span class="dim" { "no file yet" } }
    }
}

fn deeds(session: &Session, source: &SourceRow) -> Markup {
    let address = format!("/console/sources/{}", escaped(&source.key));
    html! {
        @if source.kind != SourceKind::Upload {
            @if source.paused { (button(session, &address, "resume", "Resume")) }
            @else {
                (button(session, &address, "pull", "Pull now"))
                (button(session, &address, "pause", "Pause"))
            }
        }
    }
}

pub(super) async fn one(api: &Api, session: &Session, key: &str) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let source = Sources::find(&mut conn, key)
        .await?
        .ok_or_else(|| Trouble::NotFound(format!("source {key:?}")))?;
    let files = Files::list(&mut conn, Some(source.id), SHOWN).await?;
    let mut alerts = Alerts::open(&mut conn).await?;
    alerts.retain(|alert| alert.subject == source.key);
    let address = format!("/console/sources/{}", escaped(key));
    let loaded = files.first().map(|file| file.state) == Some(FileState::Loaded);
    let body = html! {
        h1 { (source.key) " " (state(&source)) }
        @for alert in &alerts {
            p class="note bad" { b { (alert.what.replace('_', " ")) } " " (alert.message) " " span class="dim" { "since " (at(alert.since)) } }
        }
        (terms(&source))
        @if session.operates() {
            div class="deeds" {
                (deeds(session, &source))
                @if loaded { (button(session, &address, "reload", "Load the newest file again")) }
            }
        }
        p {
            a href={ "/console/jobs?args=" (escaped(&format!("source={key}"))) } { "Its jobs" }
            @if source.kind != SourceKind::Upload { " · " a href={ "/console/schedules/" (escaped(&format!("pull-{key}"))) } { "Its schedule" } }
        }
        h2 { "Files" }
        (file_table(session, &files))
    };
    Ok(Page::new(key, "/console/sources", body))
}

fn terms(source: &SourceRow) -> Markup {
    let terms = &source.terms;
    html! {
        dl {
            dt { "Dealer" } dd { (source.dealer.as_deref().unwrap_or("each row names its own")) }
            dt { "From" } dd { (source.kind.as_str()) " " code { (source.place()) } }
            dt { "Mapping" } dd { (mapping_link(&source.mapping, None)) }
            dt { "Policy" } dd { (terms.policy.as_str().replace('_', " ")) ", held when more than " (source.max_removed_percent) " % would leave the lot" }
            dt { "Grace" } dd { (terms.grace.files) " files, " (terms.grace.hours) " hours" }
            dt { "Whole" } dd {
                @match &terms.settle {
                    Settle::AtOnce => "as soon as it is there",
                    Settle::Twice => "when two looks see the same",
                    Settle::Marker(ending) => { "when its name and " code { (ending) } " is there" }
                }
            }
            dt { "After its load" } dd {
                @match &terms.after_load {
                    AfterLoad::Leave => "left",
                    AfterLoad::Delete => "deleted",
                    AfterLoad::Move(folder) => { "moved to " code { (folder) } }
                }
            }
            @if source.kind != SourceKind::Upload && source.kind != SourceKind::Folder {
                dt { "Partner" } dd { (partner_link(&format!("sftp {}", source.key))) }
            }
        }
    }
}

fn file_table(session: &Session, files: &[SourceFile]) -> Markup {
    html! {
        table {
            thead { tr { th { "File" } th { "Seen" } th { "State" } th { "Rows" } th { "New" } th { "Changed" } th { "Same" } th { "Rejected" }
                th { "Double" } th { "Removed" } th { "Values refused" } th { "Held for" } } }
            tbody {
                @for file in files {
                    @let c = &file.counts;
                    tr {
                        td { a href={ "/console/files/" (file.id) } { (file.name) } }
                        td { (at(file.seen_at)) }
                        td { (pill(file.state.as_str())) }
                        @for count in [c.rows, c.created, c.updated, c.unchanged, c.rejected, c.duplicates, c.removed, file.values_refused] { td class="n" { (count) } }
                        td {
                            @if file.state == FileState::Held {
                                (file.held_reason.as_deref().unwrap_or_default()) " "
                                @if session.operates() { (button(session, &format!("/console/files/{}", file.id), "release", "Release")) }
                            }
                        }
                    }
                }
            }
        }
        @if files.is_empty() { p class="dim" { "No file has come yet." } }
    }
}

pub(super) async fn file(api: &Api, session: &Session, id: i64) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let file = match Files::get(&mut conn, id).await {
        Err(StoreError::NotFound { .. }) => return Err(Trouble::NotFound(format!("file {id}"))),
        found => found?,
    };
    let source = Sources::get(&mut conn, file.source_id).await?;
    let refused = Files::refused(&mut conn, id).await?;
    let body = html! {
        h1 { (file.name) " " (pill(file.state.as_str())) }
        p { "of " (source_link(&source.key)) ", seen " (at(file.seen_at)) ", " (file.bytes) " bytes, written " (maybe_at(file.modified_at)) }
        p { "Read by " (mapping_link(&source.mapping, file.mapping_version)) }
        @if let Some(who) = &file.released_by { p { "Released by " (who) "." } }
        (file_table(session, std::slice::from_ref(&file)))
        p { a href={ "/console/jobs?kind=load_file&args=" (escaped(&format!("file={id}"))) } { "Its load" } }
        h2 { "Refused" }
        (refused_table(&refused))
    };
    Ok(Page::new(file.name.clone(), "/console/sources", body))
}

fn refused_table(refused: &[Refused]) -> Markup {
    html! {
        table {
            thead { tr { th { "How many" } th { "Rule" } th { "Column" } th { "Rows lost" } th { "First in row" } th { "What stood there" } th { "Why" } } }
            tbody {
                @for told in refused {
                    tr {
                        td class="n" { (told.count) }
                        td { code { (told.rule) } }
                        td { (told.column) }
                        td class="n" { (told.rows_lost) }
                        td class="n" { (told.row) }
                        td { (told.value) }
                        td { (told.message) }
                    }
                }
            }
        }
        @if refused.is_empty() { p class="dim" { "Nothing was refused." } }
        @else { p class="dim" { "Every one of them: " code { "forecourt sources rejects FILE --all" } ", or " code { "GET /v2/files/FILE/rejects" } "." } }
    }
}
