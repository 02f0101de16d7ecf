//! Loops, not jobs: what must run even when the queue stands still. Any number of processes may
//! run them; a row lock in PostgreSQL makes them take turns.

mod dispatch;
mod reap;
mod ticks;
mod watch;

pub use dispatch::{DispatchError, dispatch_all};
pub use ticks::{ScheduleError, backfill, check_schedule, fire, next_tick, tick_all};

pub use watch::{WatchError, watch};

use crate::App;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts every loop; they end when `stop` is cancelled.
pub fn start(app: &Arc<App>, stop: &CancellationToken) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    loops.spawn(dispatch::run(app.clone(), stop.clone()));
    loops.spawn(ticks::run(app.clone(), stop.clone()));
    loops.spawn(watch::run(app.clone(), stop.clone()));
    loops.spawn(reap::run(app.clone(), stop.clone()));
    loops
}

/// Waits, or learns that it is over.
async fn pause(stop: &CancellationToken, length: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(length) => true,
    }
}
