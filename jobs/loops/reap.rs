//! The reaper: jobs whose worker vanished go back to the queue.

use super::pause;
use crate::App;
use queue::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// With a lease of nine seconds a job is rescued within ten.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut failing = false;
    while pause(&stop, EVERY).await {
        match app.engine.rescue().await {
            Ok(rescued) => {
                failing = false;
                queue::Meters::of_process().rescued(rescued);
                if rescued.returned + rescued.buried > 0 {
                    tracing::warn!(
                        returned = rescued.returned,
                        buried = rescued.buried,
                        "jobs rescued"
                    );
                }
            }
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "lost jobs cannot be rescued");
            }
            Err(_) => {}
        }
    }
}
