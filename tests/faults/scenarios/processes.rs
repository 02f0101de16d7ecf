//! What is done to worker processes.

use super::{effects, rescued_after, seconds};
use crate::jobs::EffectThenDie;
use crate::{Engine, Form, Verdict, World, now_ms, pause};
use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use queue::Enqueue;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(90);

/// Nobody is left: the next process to come must find everything.
pub(super) async fn kill_the_only_worker(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world.enqueue(&effects(8, 1_500)?).await?;
    let worker = world.worker(&[])?;
    world.until_started(4).await?;
    // Long enough that the engine has heard of the starts.
    pause(0.5).await;
    let killed_at = worker.kill()?;
    let _next = world.worker(&[])?;
    world.until_all_ended(LONG).await?;
    let attempts = world
        .count("SELECT count(*) FROM jobs_history WHERE attempt = 2")
        .await;
    ensure!(
        attempts == Some(4),
        "four attempts were begun and lost, {attempts:?} were counted"
    );
    let recovery = rescued_after(&world, killed_at);
    ensure!(recovery.is_some(), "nothing was rescued");
    world
        .judge("kill -9 of the only worker", recovery, String::new())
        .await
}

pub(super) async fn kill_one_of_two(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world.enqueue(&effects(24, 1_000)?).await?;
    let (first, _second) = (world.worker(&[])?, world.worker(&[])?);
    world.until_started(8).await?;
    pause(0.4).await;
    let killed_at = first.kill()?;
    world.until_all_ended(LONG).await?;
    let recovery = rescued_after(&world, killed_at);
    world
        .judge("kill -9 of one of two", recovery, String::new())
        .await
}

pub(super) async fn kill_again_and_again(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let (kills, every) = world.pick((4, 1.5), (30, 10.0));
    let jobs = world.pick(300, 12_000);
    world.enqueue(&effects(jobs, 50)?).await?;
    let _steady = world.worker(&["--concurrency", "2"])?;
    for _ in 0..kills {
        let worker = world.worker(&["--concurrency", "2"])?;
        pause(every).await;
        worker.kill()?;
    }
    let after = now_ms();
    world.until_all_ended(Duration::from_secs(300)).await?;
    let done = world
        .count("SELECT count(*) FROM jobs_history WHERE state = 'done'")
        .await;
    let share = f64::from(u32::try_from(done.unwrap_or(0))?) / f64::from(jobs);
    ensure!(share >= 0.95, "only {:.1} % are done", share * 100.0);
    let note = format!(
        "{kills} kills, {:.1} % done, the last {:.1} s after",
        share * 100.0,
        super::since(after)
    );
    world.judge("kill -9 again and again", None, note).await
}

pub(super) async fn kill_and_restart_under_the_same_name(
    engine: Engine,
    form: Form,
) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world.enqueue(&effects(4, 1_000)?).await?;
    let worker = world.worker(&["--name", "the-one"])?;
    world.until_started(4).await?;
    pause(0.4).await;
    let killed_at = worker.kill()?;
    let _again = world.worker(&["--name", "the-one"])?;
    world.until_all_ended(LONG).await?;
    let recovery = rescued_after(&world, killed_at);
    ensure!(recovery.is_some(), "its old jobs were not rescued");
    world
        .judge("kill -9, same name at once", recovery, String::new())
        .await
}

pub(super) async fn die_between_effect_and_acknowledgement(
    engine: Engine,
    form: Form,
) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let order = Enqueue::of(&EffectThenDie {})?;
    world.enqueue(&vec![order; 2]).await?;
    // Each life does the effect of one job and dies.
    let mut lives = 0;
    while world.count("SELECT count(*) FROM jobs_history").await != Some(2) {
        ensure!(lives < 8, "the jobs kill every worker: {}", world.log());
        lives += 1;
        let mut worker = world.worker(&["--concurrency", "1"])?;
        crate::wait(Duration::from_secs(40), async || {
            Ok(worker.ended() || world.count("SELECT count(*) FROM jobs_history").await == Some(2))
        })
        .await?;
    }
    let made = world.count("SELECT count(*) FROM made").await;
    ensure!(
        made == Some(2),
        "two effects were to be made, {made:?} were"
    );
    world
        .judge(
            "died between effect and ack",
            None,
            format!("{lives} processes"),
        )
        .await
}

/// A process that sleeps through its lease must not finish what is somebody else's now.
pub(super) async fn stop_and_continue(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world.enqueue(&effects(4, 2_000)?).await?;
    let sleeper = world.worker(&[])?;
    world.until_started(4).await?;
    pause(0.5).await;
    sleeper.signal(Signal::SIGSTOP)?;
    let stopped_at = now_ms();
    let _other = world.worker(&[])?;
    world.until_all_ended(LONG).await?;
    let recovery = rescued_after(&world, stopped_at);
    if form == Form::Long {
        pause(60.0 - super::since(stopped_at).min(60.0)).await;
    }
    sleeper.signal(Signal::SIGCONT)?;
    let (report, _, _) = sleeper.terminate()?;
    let stale = report["stale"].as_u64().unwrap_or(0);
    ensure!(stale == 4, "four stale words were to be refused: {report}");
    world
        .judge(
            "SIGSTOP past the lease, SIGCONT",
            recovery,
            format!("{stale} refused"),
        )
        .await
}

/// Finishes what it can within the grace, hands the rest back with the attempt restored.
pub(super) async fn terminate_with_long_jobs(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world.enqueue(&effects(2, 1_000)?).await?;
    let long = world.enqueue(&effects(6, 600_000)?).await?;
    let worker = world.worker(&["--grace", "2"])?;
    world.until_started(4).await?;
    pause(0.5).await;
    let (report, code, took) = worker.terminate()?;
    ensure!(code == 0, "it exits with {code}");
    ensure!(
        took < Duration::from_secs(3),
        "it took {took:?} with a grace of 2 s"
    );
    for id in &long {
        let (state, attempt) = world.state(*id).await?;
        ensure!(
            state == "ready" && attempt == 0,
            "job {id} is {state} with {attempt} attempts used"
        );
    }
    // A second signal ends it at once.
    let worker = world.worker(&["--grace", "600"])?;
    world.until_started(8).await?;
    worker.signal(Signal::SIGTERM)?;
    pause(0.3).await;
    let at = now_ms();
    let mut worker = worker;
    worker.signal(Signal::SIGTERM)?;
    crate::wait(Duration::from_secs(3), async || Ok(worker.ended())).await?;
    let second = seconds(now_ms() - at);
    // Nothing of theirs is left to wait for.
    for id in &long {
        world.queue_cancel(*id).await?;
    }
    let _next = world.worker(&[])?;
    world.until_all_ended(LONG).await?;
    let note = format!(
        "drained in {:.1} s {report}; second signal {second:.1} s",
        took.as_secs_f64()
    );
    world
        .judge("SIGTERM with short and endless jobs", None, note)
        .await
}

/// Workers whose clocks are five minutes wrong, either way: leases and due times are the store's.
pub(super) async fn clocks_that_are_wrong(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let jobs = world.pick(40, 400);
    let later: Vec<Enqueue> = effects(jobs, 100)?
        .into_iter()
        .map(|order| order.after(Duration::from_secs(4)))
        .collect();
    world.enqueue(&effects(8, 1_500)?).await?;
    let ids = world.enqueue(&later).await?;
    let slow = ["--concurrency", "4"];
    let fast = world.worker_at("+300s", &slow)?;
    world.until_started(4).await?;
    pause(0.5).await;
    let killed_at = fast.kill()?;
    let _wrong = (
        world.worker_at("-300s", &slow)?,
        world.worker_at("+300s", &slow)?,
    );
    // What the workers note bears their own clocks: only the store's tell.
    let again = "SELECT count(*) FROM jobs_history WHERE attempt = 2";
    world.until(again, 4, LONG).await?;
    let recovery = super::since(killed_at) - 1.5;
    world.until_all_ended(LONG).await?;
    let early = world
        .count(
            "SELECT count(*) FROM jobs_history
             WHERE started_at < run_at - interval '50 milliseconds' OR finished_at > now()",
        )
        .await;
    ensure!(
        early == Some(0),
        "{early:?} attempts began before their time, or end in the future"
    );
    ensure!(world.all_ended(&ids).await, "a delayed job did not run");
    world
        .judge("clocks five minutes wrong", Some(recovery), String::new())
        .await
}
