//! The frame of every page, and the small parts they share.

use super::session::Session;
use super::{Trouble, form};
use domain::{Currency, Money};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

pub(super) struct Page {
    title: String,
    /// Which part of the house: an address of [`PARTS`].
    part: &'static str,
    body: Markup,
    said: Option<String>,
}

const PARTS: [(&str, &str); 9] = [
    ("/console/", "Tonight"),
    ("/console/sources", "Sources"),
    ("/console/stock", "Stock"),
    ("/console/jobs", "Jobs"),
    ("/console/queues", "Queues"),
    ("/console/runs", "Runs"),
    ("/console/schedules", "Schedules"),
    ("/console/partners", "Partners"),
    ("/console/workers", "Workers"),
];

impl Page {
    pub(super) fn new(title: impl Into<String>, part: &'static str, body: Markup) -> Self {
        Self {
            title: title.into(),
            part,
            body,
            said: None,
        }
    }

    pub(super) fn said(mut self, words: Option<&str>) -> Self {
        self.said = words.map(|words| words.chars().take(300).collect());
        self
    }

    pub(super) fn render(&self, session: &Session) -> String {
        let body = html! {
            a class="skip" href="#main" { "Skip to the content" }
            nav aria-label="Console" {
                p class="brand" { "Forecourt" }
                ul {
                    @for (address, name) in PARTS {
                        li { a href=(address) aria-current=[(address == self.part).then_some("page")] { (name) } }
                    }
                }
                form method="post" action="/console/logout" class="who" {
                    p { (session.name) br; span class="dim" { @if session.operates() { "operator" } @else { "viewer" } ", times in UTC" } }
                    button { "Leave" }
                }
            }
            main id="main" tabindex="-1" {
                @if let Some(words) = &self.said { p class="note good" role="status" { (words) } }
                div id="live" { (self.body) }
                p class="dim live" { span id="pulse" { } }
            }
            script src="/console/console.js" defer {}
        };
        document(&self.title, &body)
    }
}

pub(super) fn document(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Forecourt" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/console/console.css";
            }
            body { (body) }
        }
    }
    .into_string()
}

pub(super) fn trouble(session: Option<&Session>, trouble: &Trouble) -> String {
    let body = html! {
        h1 { "That did not work" }
        p class="note bad" role="alert" { (trouble) }
        p { a href="/console/" { "Back to tonight" } }
    };
    match session {
        Some(session) => Page::new("That did not work", "", body).render(session),
        None => document(
            "That did not work",
            &html! { main class="login" { (body) } },
        ),
    }
}

/// A state as a word in a colour.
pub(super) fn pill(word: &str) -> Markup {
    let tone = match word {
        "done" | "closed" | "loaded" | "available" | "fetched" | "read" | "published" | "fresh"
        | "open lane" | "alive" => "good",
        "dead" | "failed" | "open" | "critical" | "isolated" | "stale" | "silent" => "bad",
        "running" | "building" | "loading" => "busy",
        "held" | "warning" | "paused" | "forced_closed" | "retry" | "snooze" | "rescue" => "warn",
        _ => "plain",
    };
    html! { span class={ "pill " (tone) } { (word.replace('_', " ")) } }
}

/// A moment, as people read it, with the exact one on hover.
pub(super) fn at(moment: Timestamp) -> Markup {
    let exact = moment.to_string();
    let shown = moment.strftime("%b %d, %H:%M:%S");
    html! { time datetime=(exact) title=(exact) { (shown) } }
}

pub(super) fn maybe_at(moment: Option<Timestamp>) -> Markup {
    match moment {
        Some(moment) => at(moment),
        None => html! { span class="dim" { "–" } },
    }
}

/// `4 s`, `3 min`, `2.5 h`.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.0005 => "0".to_owned(),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

pub(super) fn job_link(id: i64) -> Markup {
    html! { a href={ "/console/jobs/" (id) } { (id) } }
}

pub(super) fn unit_link(id: i64, words: &str) -> Markup {
    html! { a href={ "/console/units/" (id) } { (words) } }
}

/// In US dollars, unless told.
pub(super) fn money(cents: Option<i64>, currency: Option<&str>) -> String {
    Money::shown(cents, currency.unwrap_or(Currency::USD.code()))
}

pub(super) fn partner_link(name: &str) -> Markup {
    html! {
        @if name.is_empty() { span class="dim" { "–" } }
        @else { a href={ "/console/partners/" (form::escaped(name)) } { (name) } }
    }
}

/// Hidden parts of every form that acts.
pub(super) fn csrf(session: &Session) -> Markup {
    html! { input type="hidden" name="csrf" value=(session.csrf); }
}

/// One button that posts one word.
pub(super) fn button(session: &Session, action: &str, word: &str, label: &str) -> Markup {
    html! {
        form method="post" action=(action) class="inline" {
            (csrf(session))
            button name="action" value=(word) { (label) }
        }
    }
}

/// JSON as people read it.
pub(super) fn json(value: &serde_json::Value) -> Markup {
    html! { pre tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}

/// Bars by the minute; what failed stands on top.
pub(super) fn chart(minutes: &[queue::Minute], now: Timestamp) -> Markup {
    const MINUTES: i64 = 30;
    let first = now.as_second() / 60 - MINUTES + 1;
    let most = minutes
        .iter()
        .map(|m| m.done + m.failed)
        .max()
        .unwrap_or(0)
        .max(1);
    let total: i64 = minutes.iter().map(|m| m.done).sum();
    let failed: i64 = minutes.iter().map(|m| m.failed).sum();
    let height = |n: i64| n * 80 / most + i64::from(n > 0);
    html! {
        figure class="chart" {
            svg viewBox="0 0 600 90" role="img" preserveAspectRatio="none"
                aria-label=(format!("{total} jobs done and {failed} failed in the last {MINUTES} minutes")) {
                @for minute in minutes {
                    @let place = (minute.at.as_second() / 60 - first) * 20;
                    @let (done, bad) = (height(minute.done), height(minute.failed));
                    @if place >= 0 {
                        rect class="done" x=(place + 1) y=(88 - done) width="18" height=(done) {}
                        rect class="failed" x=(place + 1) y=(88 - done - bad) width="18" height=(bad) {}
                    }
                }
                line x1="0" y1="89" x2="600" y2="89" {}
            }
            figcaption class="dim" { "last " (MINUTES) " minutes: " (total) " done, " (failed) " failed, at most " (most) " a minute" }
        }
    }
}
