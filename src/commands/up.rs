//! `up`, `serve`, `work`, `schedule`: the production roles, alone or together.

use crate::instance::Instance;
use crate::platform::{Platform, print_drain, told_to_stop};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Roles {
    pub(super) serve: bool,
    pub(super) work: bool,
    pub(super) schedule: bool,
}

pub(super) async fn run(data_dir: &Path, roles: Roles) -> Result<ExitCode> {
    // Alone, all three roles have private servers of their own; one role on servers nobody else knows would be
    // of no use.
    let platform = match roles.serve && roles.work && roles.schedule {
        true => Platform::open(data_dir).await?,
        false => Platform::connect(Instance::find(data_dir)?).await?,
    };
    let stop = CancellationToken::new();
    let workers = if roles.work {
        Some(platform.work()?)
    } else {
        None
    };
    if roles.schedule {
        jobs::upkeep::ensure(&mut *platform.app.pool.acquire().await?).await?;
    }
    let loops = roles
        .schedule
        .then(|| jobs::loops::start(&platform.app, &stop));
    let mut tasks = Vec::new();
    if roles.serve {
        let health = workers.as_ref().map(queue::Workers::health);
        let (address, _, serving) = platform.serve(health, &stop).await?;
        tasks = serving;
        println!("serving on http://{address}");
    }
    if let Some(listen) = platform.config.tuning.watch {
        let health = workers.as_ref().map(queue::Workers::health);
        let (address, watch) = platform.watch(health, listen, &stop).await?;
        tasks.push(watch);
        println!("watched on http://{address}/metrics");
    }
    println!("ready");
    told_to_stop().await;
    // A second signal ends the process as signals do.
    stop.cancel();
    if let Some(workers) = workers {
        print_drain(workers.drain(&platform.engine).await);
    }
    if let Some(loops) = loops {
        loops.join_all().await;
    }
    for task in tasks {
        let _ = task.await;
    }
    Ok(ExitCode::SUCCESS)
}
