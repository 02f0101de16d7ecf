//! Workers: who is alive, what each serves and holds.

use super::Res;
use super::page::{Page, at, pill, span};
use crate::Api;
use maud::html;
use queue::Overview;

/// A worker is heard of every three seconds.
const SILENT_SECONDS: f64 = 10.0;

pub(super) async fn page(api: &Api) -> Res<Page> {
    let workers = Overview::workers(&mut *api.app.pool.acquire().await?).await?;
    let body = html! {
        h1 { "Workers" }
        table {
            thead { tr { th { "Process" } th { "State" } th { "Serves" } th { "Holds" } th { "Since" } th { "Last heard of" } } }
            tbody {
                @for worker in &workers {
                    tr {
                        td { (worker.name) }
                        td { (pill(if worker.silent_seconds > SILENT_SECONDS { "silent" } else { "alive" })) }
                        td { (worker.queues.join(", ")) }
                        td class="n" { (worker.holds) }
                        td { (at(worker.started_at)) }
                        td { (span(worker.silent_seconds)) " ago" }
                    }
                }
            }
        }
        @if workers.is_empty() { p class="note bad" { "Nobody works: start " code { "forecourt work" } "." } }
    };
    Ok(Page::new("Workers", "/console/workers", body))
}
