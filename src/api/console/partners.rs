//! Partners: breakers and their history, budgets, isolate, close, probe; and what providers among them are to be asked.

use super::form::escaped;
use super::page::{Page, at, button, csrf, maybe_at, partner_link, pill};
use super::session::Session;
use super::{Res, Trouble};
use crate::Api;
use maud::{Markup, html};
use queue::Partner;
use stores::{ProviderView, Providers};

const SHOWN: usize = 500;

pub(super) async fn list(api: &Api) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let mut partners = Partner::list(&mut conn).await?;
    let providers = Providers::views(&mut conn).await?;
    // What needs somebody comes first.
    partners.sort_by_key(|partner| partner.state == queue::BreakerState::Closed);
    let body = html! {
        h1 { "Partners" }
        table {
            thead { tr { th { "Partner" } th { "Breaker" } th { "Why" } th { "Since" } th { "Tried again" } th { "At once" } th { "Calls a second" } } }
            tbody {
                @for partner in partners.iter().take(SHOWN) {
                    tr {
                        td { (partner_link(&partner.name)) }
                        td { (pill(partner.state.as_str())) }
                        td { (partner.reason.as_deref().unwrap_or_default()) }
                        td { (at(partner.changed_at)) }
                        td { (maybe_at(partner.until)) }
                        td class="n" { @if let Some(max) = partner.max_running { (max) } @else { span class="dim" { "no limit" } } }
                        td class="n" { @if let Some(rate) = partner.calls_per_second { (rate) } @else { span class="dim" { "no limit" } } }
                    }
                }
            }
        }
        @if partners.is_empty() { p class="dim" { "Nobody has been called yet." } }
        @if partners.len() > SHOWN { p class="dim" { "and " (partners.len() - SHOWN) " more that are well" } }
        @if !providers.is_empty() { (asked(&providers)) }
    };
    Ok(Page::new("Partners", "/console/partners", body))
}

/// What vehicles and photos wait for, by the provider that is asked.
fn asked(providers: &[ProviderView]) -> Markup {
    html! {
        h2 { "Providers" }
        table {
            thead { tr { th { "Provider" } th { "Asked for" } th { "Waiting" } th { "Oldest" } th { "Failing" } th { "Answers" } th { "Unreadable" } th { "A failure" } } }
            tbody {
                @for provider in providers {
                    tr {
                        td { (partner_link(&provider.partner())) @if !provider.enabled { " " span class="dim" { "disabled" } } }
                        td { (provider.kind) }
                        td class="n" { (provider.due) }
                        td { (maybe_at(provider.oldest_due_at)) }
                        td class="n" { (provider.failing) }
                        td class="n" { (provider.answers) }
                        td class="n" { (provider.drifted) }
                        td { (provider.problem.as_deref().unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

pub(super) async fn one(api: &Api, session: &Session, name: &str) -> Res<Page> {
    let mut conn = api.app.pool.acquire().await?;
    let partner = Partner::find(&mut conn, name)
        .await?
        .ok_or_else(|| Trouble::NotFound(format!("partner {name:?}")))?;
    let mut provider = Providers::views(&mut conn).await?;
    provider.retain(|provider| provider.partner() == name);
    let events = Partner::events(&mut conn, name, 100).await?;
    let address = format!("/console/partners/{}", escaped(name));
    let body = html! {
        h1 { (partner.name) " " (pill(partner.state.as_str())) }
        @if let Some(why) = &partner.reason { p { (why) " " span class="dim" { "since " (at(partner.changed_at)) } } }
        @if let Some(until) = partner.until { p { "It is left alone until " (at(until)) ", then one call probes it." } }
        @if session.operates() {
            div class="deeds" {
                (button(session, &address, "probe", "Probe now"))
                (button(session, &address, "close", "Close"))
                (button(session, &address, "force_close", "Close, and keep closed"))
                (button(session, &address, "isolate", "Isolate"))
            }
            form method="post" action=(address) class="deeds" {
                (csrf(session))
                label { "Jobs at once " input type="number" name="running" min="0" max="65535" value=[partner.max_running]; } " "
                label { "Calls a second " input type="number" name="calls" min="0" step="any" value=[partner.calls_per_second]; } " "
                button name="action" value="limit" { "Limit" }
            }
        }
        p { a href={ "/console/jobs?partner=" (escaped(name)) } { "Its jobs" } }
        @if !provider.is_empty() { (asked(&provider)) }
        h2 { "What its breaker went through" }
        table {
            thead { tr { th { "When" } th { "From" } th { "To" } th { "Why" } th { "Who" } } }
            tbody {
                @for event in &events {
                    tr { td { (at(event.at)) } td { (pill(&event.was)) } td { (pill(&event.became)) } td { (event.why) }
                        td { (event.who.as_deref().unwrap_or("the breaker")) } }
                }
            }
        }
        @if events.is_empty() { p class="dim" { "Nothing yet: it has been closed since it is known." } }
    };
    Ok(Page::new(name, "/console/partners", body))
}
