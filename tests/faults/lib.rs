//! The fault matrix (the queue's contract, section 7): real processes, real servers, a fault, and a ledger that
//! judges. `scenarios` has one function a row.
//!
//! Nothing here reads a log: a job is lost when the history does not have it, an effect is doubled when there are
//! two rows of it, and a start is a line its process wrote before it did anything.
#![expect(
    clippy::disallowed_methods,
    reason = "faults are made in real time, by processes that tell nobody: states are polled"
)]

pub mod jobs;
pub mod proxy;
pub mod scenarios;

use anyhow::{Context, Result, ensure};
use embedded::{PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue::{AnyEngine, Engine as _, Enqueue, PostgresEngine, RedisEngine, engine_options};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Redis,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

/// The short form runs in `make test`, the long one in `make faults`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Short,
    Long,
}

/// What a row of the matrix came to.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub row: &'static str,
    pub engine: Engine,
    pub jobs: usize,
    pub lost: usize,
    pub doubled: usize,
    /// Seconds from the fault's end to work going on, or from a kill to the second start.
    pub recovery: Option<f64>,
    pub note: String,
}

impl Verdict {
    /// Why the row does not pass, if it does not.
    pub fn problem(&self, limit: f64) -> Option<String> {
        if self.lost > 0 || self.doubled > 0 {
            return Some(format!("{} lost, {} doubled", self.lost, self.doubled));
        }
        self.recovery
            .filter(|seconds| *seconds > limit)
            .map(|seconds| format!("recovered after {seconds:.1} s, {limit} are allowed"))
    }
}

pub async fn connect(url: &str, connections: u32, engine: bool) -> Result<PgPool> {
    Ok(options(connections)
        .connect_with(parsed(url, engine)?)
        .await?)
}

pub fn connect_lazy(url: &str, connections: u32) -> Result<PgPool> {
    Ok(options(connections).connect_lazy_with(parsed(url, true)?))
}

fn options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
}

fn parsed(url: &str, engine: bool) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse()?;
    let options = options.options([("statement_timeout", "30000"), ("lock_timeout", "10000")]);
    Ok(if engine {
        engine_options(options)
    } else {
        options
    })
}

pub fn engine_on(choice: Engine, pool: &PgPool, redis: &str) -> Result<AnyEngine> {
    let postgres = PostgresEngine::new(pool.clone());
    Ok(match choice {
        Engine::Postgres => postgres.into(),
        Engine::Redis => RedisEngine::new(postgres, redis, "faults")?.into(),
    })
}

/// Servers of its own, a database, and whoever works on them.
pub struct World {
    pub engine: Engine,
    pub form: Form,
    root: PathBuf,
    /// What the workers are told; may lead through a proxy.
    pub database: String,
    pub redis_url: String,
    pub pool: PgPool,
    pub queue: AnyEngine,
    pub redis_append_only: bool,
    pub redis: Option<PrivateRedis>,
    pub postgres: Option<PrivatePostgres>,
    ids: Vec<i64>,
}

impl World {
    pub async fn new(engine: Engine, form: Form) -> Result<Self> {
        Self::with(engine, form, true).await
    }

    pub async fn with(engine: Engine, form: Form, redis_append_only: bool) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("fc-fault-{}-{number}", std::process::id()));
        let postgres = PrivatePostgres::start(&PostgresSettings {
            root: root.join("pg"),
            binaries: None,
            durable: true,
            max_connections: 100,
        })?;
        postgres.ensure_database("faults")?;
        let redis = PrivateRedis::start(&RedisSettings {
            root: root.join("redis"),
            port: None,
            append_only: redis_append_only,
        })?;
        std::fs::create_dir_all(root.join("notes"))?;
        let database = postgres.url("faults");
        let pool = connect(&database, 6, true).await?;
        stores::MIGRATIONS.run(&pool).await?;
        sqlx::query(
            "CREATE TABLE made (job_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now())",
        )
        .execute(&pool)
        .await?;
        let redis_url = redis.url();
        Ok(Self {
            engine,
            form,
            queue: engine_on(engine, &pool, &redis_url)?,
            root,
            database,
            redis_url,
            pool,
            redis_append_only,
            redis: Some(redis),
            postgres: Some(postgres),
            ids: Vec::new(),
        })
    }

    pub fn notes(&self) -> PathBuf {
        self.root.join("notes")
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn pick<T>(&self, short: T, long: T) -> T {
        if self.form == Form::Short {
            short
        } else {
            long
        }
    }

    /// Accepted, so from now on never to be lost.
    pub async fn enqueue(&mut self, orders: &[Enqueue]) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        for slice in orders.chunks(1_000) {
            let mut tx = self.pool.begin().await?;
            let enqueued = self.queue.enqueue(&mut tx, slice).await?;
            tx.commit().await?;
            ids.extend(enqueued.iter().map(|job| job.id));
        }
        self.ids.extend(&ids);
        Ok(ids)
    }

    pub fn worker(&self, more: &[&str]) -> Result<Worker> {
        self.worker_at("", more)
    }

    /// A worker whose clock is wrong by an offset as libfaketime writes it (`+300s`); none for a right one.
    pub fn worker_at(&self, clock: &str, more: &[&str]) -> Result<Worker> {
        let notes = self.notes();
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.root.join("workers.log"))?;
        let mut command = Command::new(program("fault-worker")?);
        if !clock.is_empty() {
            command
                .env("LD_PRELOAD", faketime()?)
                .env("FAKETIME", clock)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let mut child = command
            .args(["--database", &self.database, "--redis", &self.redis_url])
            .args(["--engine", self.engine.name()])
            .arg("--notes")
            .arg(&notes)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()?;
        let out = child.stdout.take().context("the worker's words")?;
        let mut worker = Worker {
            child,
            out: BufReader::new(out),
        };
        ensure!(
            worker.line()? == "ready",
            "the worker did not start: {}",
            self.log()
        );
        Ok(worker)
    }

    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.root.join("workers.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(4)..].iter();
        let cut: Vec<String> = last.map(|line| line.chars().take(240).collect()).collect();
        cut.join(" / ")
    }

    /// (milliseconds, job, attempt) of every start, in order.
    pub fn starts(&self) -> Vec<(u128, i64, u16)> {
        self.lines("starts")
            .iter()
            .filter_map(|line| {
                let mut parts = line.split(' ');
                let at = parts.next()?.parse().ok()?;
                Some((at, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
            })
            .collect()
    }

    pub fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.notes().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub async fn until_started(&self, count: usize) -> Result<()> {
        wait(Duration::from_secs(30), async || {
            Ok(self.starts().len() >= count)
        })
        .await
        .with_context(|| format!("{count} starts; {}", self.log()))
    }

    /// One number of the database; `None` while it cannot be asked.
    pub async fn count(&self, sql: &'static str) -> Option<i64> {
        let asked = sqlx::query_scalar::<_, i64>(sql).fetch_one(&self.pool);
        tokio::time::timeout(Duration::from_secs(5), asked)
            .await
            .ok()?
            .ok()
    }

    pub async fn until(&self, sql: &'static str, at_least: i64, within: Duration) -> Result<()> {
        wait(within, async || {
            Ok(self.count(sql).await.is_some_and(|n| n >= at_least))
        })
        .await
        .with_context(|| format!("{sql} to be {at_least}; workers said: {}", self.log()))
    }

    /// Every job that was accepted has ended.
    pub async fn until_all_ended(&self, within: Duration) -> Result<()> {
        let wanted = i64::try_from(self.ids.len())?;
        self.until("SELECT count(*) FROM jobs_history", wanted, within)
            .await
    }

    pub async fn all_ended(&self, ids: &[i64]) -> bool {
        let asked =
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM jobs_history WHERE id = ANY($1)")
                .bind(ids)
                .fetch_one(&self.pool);
        let found = tokio::time::timeout(Duration::from_secs(5), asked).await;
        matches!(found, Ok(Ok(count)) if usize::try_from(count).is_ok_and(|count| count == ids.len()))
    }

    /// What became of the accepted jobs.
    pub async fn judge(
        &self,
        row: &'static str,
        recovery: Option<f64>,
        note: String,
    ) -> Result<Verdict> {
        // A job that is dead but was not made to die is as good as lost.
        let ended: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, count(*) FROM jobs_history WHERE state <> 'dead' OR kind = 'fatal' GROUP BY id",
        )
        .fetch_all(&self.pool)
        .await?;
        let ended: HashMap<i64, i64> = ended.into_iter().collect();
        let lost = self.ids.iter().filter(|id| !ended.contains_key(id)).count();
        let twice = ended.values().filter(|count| **count > 1).count();
        let doubled: i64 = sqlx::query_scalar("SELECT count(*) - count(DISTINCT job_id) FROM made")
            .fetch_one(&self.pool)
            .await?;
        Ok(Verdict {
            row,
            engine: self.engine,
            jobs: self.ids.len(),
            lost,
            doubled: usize::try_from(doubled)? + twice,
            recovery,
            note,
        })
    }

    pub async fn queue_cancel(&self, id: i64) -> Result<()> {
        // A worker that was just killed still holds some: they are marked, and dropped by the next.
        self.queue.cancel(id, "the judge").await?;
        Ok(())
    }

    pub async fn state(&self, id: i64) -> Result<(String, i16)> {
        let job = self.queue.find(id).await?.context("an accepted job")?;
        Ok((job.state.as_str().to_owned(), job.attempt))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.redis.take();
        self.postgres.take();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

/// A process; dropping it kills it.
pub struct Worker {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Worker {
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?;
        Ok(())
    }

    /// `kill -9`, and the moment of it.
    pub fn kill(mut self) -> Result<u128> {
        let at = now_ms();
        self.child.kill()?;
        self.child.wait()?;
        Ok(at)
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// SIGTERM; its drain report, its exit code and how long it took.
    pub fn terminate(mut self) -> Result<(serde_json::Value, i32, Duration)> {
        let begun = Instant::now();
        self.signal(Signal::SIGTERM)?;
        let report = self.line()?;
        let status = self.child.wait()?;
        let report = serde_json::from_str(&report).unwrap_or_default();
        Ok((report, status.code().unwrap_or(-1), begun.elapsed()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// libfaketime, where Debian puts it.
fn faketime() -> Result<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib")?;
    libraries
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketime.so.1")))
        .find(|path| path.exists())
        .context("libfaketime is missing: run .ci/setup, or install faketime")
}

pub fn now_ms() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis()
}

pub async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

pub async fn wait(
    within: Duration,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let begun = Instant::now();
    while !condition().await? {
        ensure!(
            begun.elapsed() < within,
            "not within {} s",
            within.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(())
}

/// Stops a server's processes, or lets them go on.
pub fn signal_all(pids: &[u32], signal: Signal) -> Result<()> {
    for pid in pids {
        // A backend may have ended since it was looked up.
        let _ = kill(Pid::from_raw(i32::try_from(*pid)?), signal);
    }
    Ok(())
}

/// The server whose data lies in a folder, and all its backends.
pub fn processes_in(folder: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder))
        .collect()
}

/// A binary of this workspace, beside or above this one.
fn program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    this.ancestors()
        .skip(1)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built"))
}
