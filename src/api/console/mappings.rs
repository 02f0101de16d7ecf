//! Mappings: what reads the files of which sources, and every version of one's own.

use super::Res;
use super::Trouble;
use super::form::{Form, escaped};
use super::page::{Page, at};
use super::sources::source_link;
use crate::Api;
use jobs::mappings::{self, MappingProblem};
use maud::{Markup, html};
use stores::{OwnMappings, Sources, StoreError};

impl From<MappingProblem> for Trouble {
    fn from(problem: MappingProblem) -> Self {
        match problem {
            MappingProblem::Store(StoreError::NotFound { what, key }) => {
                Self::NotFound(format!("{what} {key:?}"))
            }
            MappingProblem::Order(why) => Self::Invalid(why),
            other => Self::Internal(other.into()),
        }
    }
}

/// To what it says now, or what it said when it read a file.
pub(super) fn mapping_link(name: &str, version: Option<i32>) -> Markup {
    let address = format!("/console/mappings/{}", escaped(name));
    html! {
        @match version {
            Some(version) => a href={ (address) "?version=" (version) } { (name) ", version " (version) },
            None => a href=(address) { (name) }
        }
    }
}

pub(super) async fn one(api: &Api, name: &str, query: &Form) -> Res<Page> {
    let version = match query.get("version") {
        Some(told) => {
            let unknown = |_| Trouble::NotFound(format!("version {told:?} of {name}"));
            Some(told.parse().map_err(unknown)?)
        }
        None => None,
    };
    let mut conn = api.app.pool.acquire().await?;
    let text = mappings::text(&mut conn, name, version).await?;
    let versions = OwnMappings::versions(&mut conn, name).await?;
    let mut sources = Sources::list(&mut conn).await?;
    sources.retain(|source| source.mapping == name);
    let body = html! {
        h1 { (name) @if let Some(version) = version { ", version " (version) } }
        p { "Reads the files of "
            @if sources.is_empty() { "no source" }
            @for (nth, source) in sources.iter().enumerate() { @if nth > 0 { ", " } (source_link(&source.key)) }
            "."
        }
        pre { (text) }
        @if versions.is_empty() { p class="dim" { "It is built in. One of your own to begin from it: " code { "forecourt mappings show " (name) } } }
        @else {
            h2 { "Versions" }
            table {
                thead { tr { th { "Version" } th { "Put by" } th { "At" } } }
                tbody {
                    @for own in &versions {
                        tr {
                            td { (mapping_link(name, Some(own.version))) }
                            td { (own.put_by) }
                            td { (at(own.put_at)) }
                        }
                    }
                }
            }
            p class="dim" { "Back to an older one: " code { "forecourt mappings revert " (name) " VERSION" } ", then load the newest file again." }
        }
    };
    Ok(Page::new(name, "/console/sources", body))
}
