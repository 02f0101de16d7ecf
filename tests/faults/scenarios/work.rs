//! What jobs do to the process that runs them, and what a crowd of them does.

use super::{effects, since};
use crate::jobs::{Burn, Call, Fatal, HoldPool, How, Newer};
use crate::{Engine, Form, Verdict, World, now_ms, pause};
use anyhow::{Result, ensure};
use queue::Enqueue;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

/// A job takes every connection of the engine for longer than a lease: leases have their own.
pub(super) async fn exhaust_the_pool(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let id = world
        .enqueue(&[Enqueue::of(&HoldPool { ms: 13_000 })?])
        .await?[0];
    let _workers = (
        world.worker(&["--connections", "4"])?,
        world.worker(&["--connections", "4"])?,
    );
    world.until_all_ended(LONG).await?;
    let (state, attempt) = world.state(id).await?;
    ensure!(
        state == "done" && attempt == 1,
        "it is {state} after {attempt} attempts"
    );
    ensure!(world.starts().len() == 1, "it was rescued while it ran");
    world
        .judge(
            "the engine's pool is exhausted",
            None,
            "no false rescue".to_owned(),
        )
        .await
}

/// Poison is buried, and its neighbours are served.
pub(super) async fn fatal_jobs(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let fatal = [How::Panic, How::Abort, How::Overflow, How::Loop];
    let mut poison = Vec::new();
    for how in fatal {
        poison.extend(world.enqueue(&[Enqueue::of(&Fatal { how })?]).await?);
    }
    world.enqueue(&effects(20, 20)?).await?;
    let mut deaths = 0;
    let wanted = i64::try_from(poison.len() + 20)?;
    let mut worker = world.worker(&[])?;
    let begun = now_ms();
    while world.count("SELECT count(*) FROM jobs_history").await != Some(wanted) {
        ensure!(
            since(begun) < 200.0,
            "poison is not buried: {}",
            world.log()
        );
        if worker.ended() {
            deaths += 1;
            worker = world.worker(&[])?;
        }
        pause(0.1).await;
    }
    for (id, how) in poison.iter().zip(fatal) {
        let (state, _) = world.state(*id).await?;
        ensure!(state == "dead", "{how:?} is {state}");
    }
    let done = world
        .count("SELECT count(*) FROM jobs_history WHERE kind = 'effect' AND state = 'done'")
        .await;
    ensure!(done == Some(20), "of 20 neighbours {done:?} are done");
    world
        .judge(
            "panic, abort, overflow, endless loop",
            None,
            format!("{deaths} processes died"),
        )
        .await
}

/// A handler that burns its thread for longer than a lease is not taken for dead.
pub(super) async fn burn_longer_than_a_lease(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world
        .enqueue(&vec![Enqueue::of(&Burn { ms: 12_000 })?; 2])
        .await?;
    let _workers = (
        world.worker(&["--concurrency", "2"])?,
        world.worker(&["--concurrency", "2"])?,
    );
    world.until_all_ended(LONG).await?;
    ensure!(
        world.starts().len() == 2,
        "{} starts of two jobs",
        world.starts().len()
    );
    world
        .judge(
            "CPU-bound job longer than its lease",
            None,
            "no false rescue".to_owned(),
        )
        .await
}

/// During a rolling deploy the old release leaves alone what it does not know.
pub(super) async fn a_newer_kind(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let id = world.enqueue(&[Enqueue::of(&Newer {})?]).await?[0];
    world.enqueue(&effects(10, 10)?).await?;
    let old = world.worker(&[])?;
    world
        .until("SELECT count(*) FROM jobs_history", 10, LONG)
        .await?;
    let waits = "SELECT count(*) FROM jobs_hot WHERE kind = 'newer' AND snoozes = 1";
    world.until(waits, 1, LONG).await?;
    let (state, attempt) = world.state(id).await?;
    ensure!(
        state == "scheduled" && attempt == 0,
        "it is {state} after {attempt} attempts"
    );
    let _new = world.worker(&["--newer"])?;
    drop(old);
    world.until_all_ended(LONG).await?;
    let (state, _) = world.state(id).await?;
    ensure!(state == "done", "it is {state}");
    world
        .judge("rolling deploy, unknown kind", None, String::new())
        .await
}

/// Twenty thousand due in one second, on three processes.
pub(super) async fn all_due_at_once(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let jobs = world.pick(20_000, 100_000);
    let orders: Vec<Enqueue> = effects(jobs, 0)?
        .into_iter()
        .map(|order| order.after(Duration::from_secs(2)))
        .collect();
    world.enqueue(&orders).await?;
    let fast = ["--fast", "--concurrency", "50"];
    let _workers = (
        world.worker(&fast)?,
        world.worker(&fast)?,
        world.worker(&fast)?,
    );
    let begun = now_ms();
    world.until_all_ended(Duration::from_secs(300)).await?;
    let note = format!("{jobs} jobs, three processes, {:.1} s", since(begun));
    world.judge("all due in one second", None, note).await
}

/// Nobody's attempts are used, the partner is left alone but for probes, others are not delayed.
pub(super) async fn a_partner_down(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    std::fs::write(world.notes().join("down-lost"), "")?;
    let calls = |partner: &str, count: u32| -> Result<Vec<Enqueue>> {
        (0..count)
            .map(|n| {
                let partner = partner.to_owned();
                Ok(Enqueue::of(&Call { partner, n })?)
            })
            .collect()
    };
    let down = world.pick(12.0, 600.0);
    let lost = world.enqueue(&calls("lost", 200)?).await?;
    world.enqueue(&calls("well", 200)?).await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    let begun = now_ms();
    let well = "SELECT count(*) FROM jobs_history h JOIN lanes l ON l.id = h.lane WHERE l.partner = 'well'";
    world.until(well, 200, Duration::from_secs(30)).await?;
    let others = since(begun);
    pause(down - since(begun).min(down)).await;
    let made = world.lines("calls-lost").len();
    // First break 2 s, then 4 s each: a probe every four seconds, and what was under way when it opened.
    let probes = (down / 2.0).ceil();
    ensure!(
        f64::from(u32::try_from(made)?) <= probes + 24.0,
        "{made} calls of a partner that was down for {down} s"
    );
    std::fs::remove_file(world.notes().join("down-lost"))?;
    let up_at = now_ms();
    world.until_all_ended(LONG).await?;
    let recovery = since(up_at);
    for id in lost {
        let (state, attempt) = world.state(id).await?;
        ensure!(
            state == "done" && attempt == 1,
            "job {id} is {state} after {attempt} attempts"
        );
    }
    let note = format!(
        "{made} calls while down; the other partner's 200 jobs took {others:.1} s; all back after {recovery:.1} s"
    );
    world.judge("a partner is down", None, note).await
}
