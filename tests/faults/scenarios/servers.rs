//! What is done to the servers, and to the lines between.

use super::{effects, since};
use crate::proxy::{self, Mode};
use crate::{Engine, Form, Verdict, World, now_ms, pause, processes_in, signal_all, wait};
use anyhow::{Context, Result, ensure};
use embedded::{PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings};
use nix::sys::signal::Signal;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);
const ENDED: &str = "SELECT count(*) FROM jobs_history";

/// Seconds from the fault's end until jobs that are enqueued then have all been done.
async fn recovered(world: &mut World, over_at: u128) -> Result<f64> {
    let fresh: Vec<queue::Enqueue> = effects(4, 10)?
        .into_iter()
        .map(|order| order.priority(queue::Priority::High))
        .collect();
    let mut ids = Vec::new();
    let begun = now_ms();
    while ids.is_empty() {
        match world.enqueue(&fresh).await {
            Ok(accepted) => ids = accepted,
            Err(error) => ensure!(since(begun) < 60.0, "still refused: {error:#}"),
        }
    }
    wait(Duration::from_secs(60), async || {
        Ok(world.all_ended(&ids).await)
    })
    .await?;
    Ok(since(over_at))
}

async fn wait_for_count(world: &World) -> Result<i64> {
    let mut count = None;
    wait(Duration::from_secs(60), async || {
        count = world.count(ENDED).await;
        Ok(count.is_some())
    })
    .await?;
    count.context("a count")
}

/// Killed as by an immediate shutdown, started anew on its data; the worker processes stay.
pub(super) async fn restart_postgresql(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let mut recovery: f64 = 0.0;
    world
        .enqueue(&effects(world.pick(400, 2_000), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let before = wait_for_count(&world).await?;
        world.until(ENDED, before + 10, LONG).await?;
        let data = world.root().join("pg/data");
        // Fast, then immediate, as pg_ctl does it: to the one that has no PostgreSQL parent.
        let server = std::fs::read_to_string(data.join("postmaster.pid"))?;
        let server: u32 = server.lines().next().context("a pid")?.trim().parse()?;
        signal_all(&[server], signal)?;
        wait(Duration::from_secs(30), async || {
            Ok(processes_in(&data).is_empty())
        })
        .await?;
        world.postgres.take();
        world.postgres = Some(PrivatePostgres::start(&PostgresSettings {
            root: world.root().join("pg"),
            binaries: None,
            durable: true,
            max_connections: 100,
        })?);
        recovery = recovery.max(recovered(&mut world, now_ms()).await?);
    }
    world.until_all_ended(LONG).await?;
    world
        .judge(
            "PostgreSQL restart, fast and immediate",
            Some(recovery),
            String::new(),
        )
        .await
}

pub(super) async fn terminate_backends(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world
        .enqueue(&effects(world.pick(600, 4_000), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    let mut killed = 0;
    for _ in 0..world.pick(25, 300) {
        let gone = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1",
        )
        .execute(&world.pool)
        .await;
        killed += u32::from(gone.is_ok());
        pause(0.2).await;
    }
    let recovery = recovered(&mut world, now_ms()).await?;
    world.until_all_ended(LONG).await?;
    let note = format!("{killed} backends ended");
    world
        .judge("pg_terminate_backend 5 a second", Some(recovery), note)
        .await
}

async fn restart(world: &mut World, wipe: bool) -> Result<()> {
    let old = world.redis.take().context("a redis")?;
    let port = old.port();
    signal_all(&[old.pid()], Signal::SIGKILL)?;
    drop(old);
    let root = world.root().join("redis");
    if wipe {
        let _ = std::fs::remove_dir_all(&root);
    }
    world.redis = Some(PrivateRedis::start(&RedisSettings {
        root,
        port: Some(port),
        append_only: world.redis_append_only,
    })?);
    Ok(())
}

/// With its append-only file. On the PostgreSQL engine Redis is nobody's business.
pub(super) async fn restart_redis(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world
        .enqueue(&effects(world.pick(400, 2_000), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    world.until(ENDED, 20, LONG).await?;
    restart(&mut world, false).await?;
    let recovery = recovered(&mut world, now_ms()).await?;
    world.until_all_ended(LONG).await?;
    world
        .judge(
            "Redis killed, restarted with AOF",
            Some(recovery),
            String::new(),
        )
        .await
}

/// Everything in it is gone: first by a restart without a file, then by a flush while it runs.
pub(super) async fn lose_redis(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::with(engine, form, false).await?;
    world
        .enqueue(&effects(world.pick(400, 2_000), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    world.until(ENDED, 20, LONG).await?;
    restart(&mut world, true).await?;
    let mut recovery = recovered(&mut world, now_ms()).await?;
    let client = redis::Client::open(world.redis_url.as_str())?;
    let mut conn = client.get_multiplexed_async_connection().await?;
    redis::cmd("FLUSHALL").query_async::<()>(&mut conn).await?;
    recovery = recovery.max(recovered(&mut world, now_ms()).await?);
    world.until_all_ended(LONG).await?;
    world
        .judge(
            "Redis lost: no AOF, FLUSHALL",
            Some(recovery),
            String::new(),
        )
        .await
}

pub(super) async fn kill_clients_and_flush_scripts(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world
        .enqueue(&effects(world.pick(400, 2_000), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    world.until(ENDED, 10, LONG).await?;
    let client = redis::Client::open(world.redis_url.as_str())?;
    for _ in 0..world.pick(8, 60) {
        let mut conn = client.get_multiplexed_async_connection().await?;
        redis::cmd("SCRIPT")
            .arg("FLUSH")
            .query_async::<()>(&mut conn)
            .await?;
        redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .query_async::<i64>(&mut conn)
            .await?;
        pause(0.3).await;
    }
    let recovery = recovered(&mut world, now_ms()).await?;
    world.until_all_ended(LONG).await?;
    world
        .judge(
            "CLIENT KILL and SCRIPT FLUSH",
            Some(recovery),
            String::new(),
        )
        .await
}

/// The server neither answers nor hangs up, for a blink and for longer than a lease.
pub(super) async fn stall_the_server(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world
        .enqueue(&effects(world.pick(400, 1_500), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    let mut recovery: f64 = 0.0;
    for length in [1.0, world.pick(11.0, 30.0)] {
        let before = wait_for_count(&world).await?;
        world.until(ENDED, before + 10, LONG).await?;
        let pids = match engine {
            Engine::Postgres => processes_in(&world.root().join("pg/data")),
            Engine::Redis => vec![world.redis.as_ref().context("a redis")?.pid()],
        };
        signal_all(&pids, Signal::SIGSTOP)?;
        pause(length).await;
        signal_all(&pids, Signal::SIGCONT)?;
        recovery = recovery.max(recovered(&mut world, now_ms()).await?);
    }
    world.until_all_ended(LONG).await?;
    world
        .judge("the server stalls", Some(recovery), String::new())
        .await
}

/// An enqueue that cannot be kept fails loudly; what was accepted is not touched.
pub(super) async fn refuse_writes(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    world.enqueue(&effects(100, 20)?).await?;
    let client = redis::Client::open(world.redis_url.as_str())?;
    let mut conn = client.get_multiplexed_async_connection().await?;
    sqlx::raw_sql("ALTER DATABASE faults SET default_transaction_read_only = on")
        .execute(&world.pool)
        .await?;
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "1"])
        .query_async::<()>(&mut conn)
        .await?;
    let read_only = crate::connect(&world.database, 1, true).await?;
    let refused = {
        let mut tx = read_only.begin().await?;
        let queue = crate::engine_on(engine, &read_only, &world.redis_url)?;
        queue::Engine::enqueue(&queue, &mut tx, &effects(1, 1)?).await
    };
    ensure!(
        refused.is_err(),
        "an enqueue into a read-only database was accepted"
    );
    let worker = world.worker(&[])?;
    pause(3.0).await;
    sqlx::raw_sql("SET default_transaction_read_only = off; ALTER DATABASE faults SET default_transaction_read_only = off")
        .execute(&world.pool)
        .await?;
    redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory", "0"])
        .query_async::<()>(&mut conn)
        .await?;
    // Sessions keep the setting they began with: as after a failover, they end.
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .execute(&world.pool)
        .await?;
    let over_at = now_ms();
    world.until_all_ended(LONG).await?;
    drop(worker);
    world
        .judge(
            "read-only PostgreSQL, Redis at maxmemory",
            Some(since(over_at)),
            String::new(),
        )
        .await
}

/// Slow, half open, and cut in the middle of answers, to both servers.
pub(super) async fn a_bad_line(engine: Engine, form: Form) -> Result<Verdict> {
    let mut world = World::new(engine, form).await?;
    let socket = world
        .postgres
        .as_ref()
        .context("a server")?
        .socket_dir()
        .to_owned();
    let (folder, to_postgres) = proxy::before_socket(&socket, world.root())?;
    let (port, to_redis) =
        proxy::before_port(world.redis.as_ref().context("a redis")?.port()).await?;
    world.database = format!("postgres:///faults?host={}&user=postgres", folder.display());
    world.redis_url = format!("redis://127.0.0.1:{port}/");
    world
        .enqueue(&effects(world.pick(1_000, 8_000), 100)?)
        .await?;
    let _workers = (world.worker(&[])?, world.worker(&[])?);
    world.until(ENDED, 10, LONG).await?;
    let lines = [to_postgres, to_redis];
    for delay in [1, 20, 100, world.pick(200, 500)] {
        lines.iter().for_each(|line| line.delay(delay));
        pause(world.pick(1.0, 5.0)).await;
    }
    lines.iter().for_each(|line| line.delay(0));
    for mode in [Mode::Cut, Mode::Hang] {
        for _ in 0..world.pick(2, 6) {
            lines.iter().for_each(|line| line.set(mode));
            pause(if mode == Mode::Cut {
                0.5
            } else {
                world.pick(2.0, 12.0)
            })
            .await;
            lines.iter().for_each(|line| line.set(Mode::Pass));
            pause(1.0).await;
        }
    }
    let recovery = recovered(&mut world, now_ms()).await?;
    world.until_all_ended(LONG).await?;
    world
        .judge(
            "latency, half open, cut mid answer",
            Some(recovery),
            String::new(),
        )
        .await
}
