//! Starting, watching and draining the workers of one process.

use crate::backend::PumpBackend;
use crate::engine::{Ack, Engine, RENEWAL, Verdict};
use crate::health::Health;
use crate::layers::stack;
use crate::pump::{Counters, Pump, PumpSettings, run_acker, run_claimer, run_marker};
use crate::{Catalogue, QueueName};
use apalis::prelude::{Monitor, WorkerBuilder, WorkerBuilderExt};
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    pub queue: QueueName,
    /// Jobs running at once in this process.
    pub concurrency: usize,
    /// Jobs claimed and waiting. For slow queues near the concurrency: they hold leases.
    pub prefetch: usize,
    /// Jobs per claim.
    pub batch: usize,
}

impl QueueSettings {
    /// For jobs that take longer than a round trip: claim what is about to start.
    pub fn slow(queue: QueueName, concurrency: usize) -> Self {
        Self {
            queue,
            concurrency,
            prefetch: concurrency,
            batch: concurrency,
        }
    }

    /// For jobs shorter than a round trip.
    pub fn fast(queue: QueueName, concurrency: usize) -> Self {
        Self {
            queue,
            concurrency,
            prefetch: 1_000,
            batch: 500,
        }
    }
}

/// From this batch size on a queue's jobs are so short that one acker would hold them up.
const MANY_ACKS: usize = 100;

#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub queues: Vec<QueueSettings>,
    /// After a stop, running jobs may finish for this long.
    pub grace: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        use QueueName::{Feeds, Index, Ingest, Lookups, Photos, Sftp, Upkeep};
        let slow = QueueSettings::slow;
        Self {
            queues: vec![
                slow(Ingest, 2),
                slow(Sftp, 4),
                slow(Lookups, 4),
                slow(Photos, 4),
                slow(Feeds, 2),
                slow(Index, 2),
                slow(Upkeep, 2),
            ],
            grace: Duration::from_secs(20),
        }
    }
}

/// What a drain did with the jobs it met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DrainReport {
    /// Since the process started.
    pub finished: u64,
    /// Claimed but not begun, or cut: back in the queue, attempt restored.
    pub handed_back: u64,
    /// Of those, begun and cut at the end of the grace.
    pub cut: u64,
    /// Acknowledgements refused because the lease was lost.
    pub stale: u64,
}

pub struct Workers {
    name: Arc<str>,
    stop: CancellationToken,
    cut: CancellationToken,
    grace: Duration,
    monitor: JoinHandle<()>,
    pumps: Vec<Weak<Pump>>,
    claimers: Vec<JoinHandle<()>>,
    listener: JoinHandle<()>,
    ackers: Vec<JoinHandle<()>>,
    lease_stop: CancellationToken,
    lease: std::thread::JoinHandle<()>,
    counters: Arc<Counters>,
    health: Arc<Health>,
}

impl Workers {
    /// `name` must be unique per boot. `leases` is an engine on connections of its own, so that
    /// a pool drained by jobs cannot cost a lease. They serve the leases' own runtime: a pool shared
    /// with anything else would break when that runtime ends.
    pub fn start<E: Engine, A: Send + Sync + 'static>(
        engine: &E,
        leases: E,
        catalogue: &Arc<Catalogue<A>>,
        app: &Arc<A>,
        name: &str,
        settings: &WorkerSettings,
    ) -> std::io::Result<Self> {
        let name: Arc<str> = name.into();
        let (stop, cut, lease_stop) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let counters = Arc::<Counters>::default();
        let health = Arc::<Health>::default();
        let mut monitor = Monitor::new().should_restart(|worker, error| {
            // Our backend never errors; should the loop end all the same, it starts again.
            tracing::error!(worker = worker.name(), %error, "worker loop ended, starting it again");
            true
        });
        let (mut pumps, mut claimers, mut ackers) = (Vec::new(), Vec::new(), Vec::new());
        let listener = {
            let engine = engine.clone();
            tokio::spawn(async move { engine.listen().await })
        };
        for queue in &settings.queues {
            let pump_settings = PumpSettings {
                worker: name.clone(),
                queue: queue.queue,
                prefetch: queue.prefetch.max(1),
                batch: queue.batch.max(1),
            };
            // While one acknowledgement waits for its commit to reach the disk, another can be under way.
            let (pump, acks) = Pump::new(
                counters.clone(),
                if queue.batch >= MANY_ACKS { 2 } else { 1 },
            );
            let weak = Arc::downgrade(&pump);
            pumps.push(weak.clone());
            claimers.push(tokio::spawn(run_claimer(
                engine.clone(),
                pump.clone(),
                pump_settings.clone(),
                health.clone(),
            )));
            ackers.extend(acks.into_iter().map(|acks| {
                tokio::spawn(run_acker(
                    engine.clone(),
                    weak.clone(),
                    acks,
                    pump_settings.clone(),
                    health.clone(),
                ))
            }));
            tokio::spawn(run_marker(engine.clone(), weak));
            let stack = stack(catalogue, app, &cut);
            let concurrency = queue.concurrency.max(1);
            // What the worker loop has taken it gives back only when its running jobs end. A slow
            // queue therefore takes one job at a time, and the rest can go back at once.
            let batch = if queue.prefetch > concurrency {
                queue.batch.max(1)
            } else {
                1
            };
            let worker = format!("{name}/{}", queue.queue.as_str());
            monitor = if batch == 1 {
                // A task each: one that blocks its thread must not hold up its neighbours. Too dear for
                // jobs shorter than a round trip.
                monitor.register(move |_| {
                    WorkerBuilder::new(worker.as_str())
                        .backend(PumpBackend::new(pump.clone(), batch))
                        .concurrency(concurrency)
                        .parallelize(tokio::spawn)
                        .build(stack.clone())
                })
            } else {
                monitor.register(move |_| {
                    WorkerBuilder::new(worker.as_str())
                        .backend(PumpBackend::new(pump.clone(), batch))
                        .concurrency(concurrency)
                        .build(stack.clone())
                })
            };
        }
        let signal = stop.clone();
        let monitor = tokio::spawn(async move {
            let signalled = async move {
                signal.cancelled().await;
                Ok::<(), std::io::Error>(())
            };
            if let Err(error) = monitor.run_with_signal(signalled).await {
                tracing::error!(%error, "workers ended with an error");
            }
        });
        let queues: Vec<QueueName> = settings.queues.iter().map(|q| q.queue).collect();
        let beat = Arc::<AtomicU64>::default();
        tokio::spawn(beat_until(lease_stop.clone(), beat.clone()));
        let lease = start_lease_thread(
            beat,
            leases,
            name.clone(),
            queues,
            pumps.clone(),
            lease_stop.clone(),
            health.clone(),
        )?;
        Ok(Self {
            name,
            stop,
            cut,
            grace: settings.grace,
            monitor,
            pumps,
            claimers,
            listener,
            ackers,
            lease_stop,
            lease,
            counters,
            health,
        })
    }

    /// How long jobs took from claimed to acknowledged, at this share of them.
    pub fn latency(&self, share: f64) -> Duration {
        self.counters.latency.quantile(share)
    }

    /// Attempts whose end the engine has judged.
    pub fn acknowledged(&self) -> u64 {
        self.counters.latency.count()
    }

    pub fn finished(&self) -> u64 {
        self.counters.finished.load(Ordering::Relaxed)
    }

    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Stops claiming, lets running jobs finish within the grace, hands the rest back with the
    /// attempt restored, and sends every acknowledgement before it returns.
    pub async fn drain<E: Engine>(self, engine: &E) -> DrainReport {
        for pump in self.pumps.iter().filter_map(Weak::upgrade) {
            pump.stop_claiming();
        }
        for claimer in self.claimers {
            let _ = tokio::time::timeout(Duration::from_secs(2), claimer).await;
        }
        self.listener.abort();
        self.stop.cancel();
        let mut monitor = self.monitor;
        if tokio::time::timeout(self.grace, &mut monitor)
            .await
            .is_err()
        {
            let before = self.counters.handed_back.load(Ordering::Relaxed);
            self.cut.cancel();
            // What is cut drops at its next await point; a job that never awaits is left to
            // the lease.
            let _ = tokio::time::timeout(Duration::from_millis(500), &mut monitor).await;
            let after = self.counters.handed_back.load(Ordering::Relaxed);
            self.counters
                .cut
                .fetch_add(after - before, Ordering::Relaxed);
            monitor.abort();
        }
        for mut acker in self.ackers {
            // The senders are gone with the worker and the claimer; the acker sends what is left.
            if tokio::time::timeout(Duration::from_secs(2), &mut acker)
                .await
                .is_err()
            {
                acker.abort();
            }
        }
        self.lease_stop.cancel();
        let lease = self.lease;
        let _ = tokio::task::spawn_blocking(move || lease.join()).await;
        if let Err(error) = engine.retire(&self.name).await {
            tracing::warn!(%error, "the worker could not sign off");
        }
        DrainReport {
            finished: self.counters.finished.load(Ordering::Relaxed),
            handed_back: self.counters.handed_back.load(Ordering::Relaxed),
            cut: self.counters.cut.load(Ordering::Relaxed),
            stale: self.counters.stale.load(Ordering::Relaxed),
        }
    }
}

/// A name no other boot has had: the process id alone comes back.
pub fn boot_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    let nonce = std::hash::RandomState::new().build_hasher().finish();
    format!("{}-{nonce:016x}", std::process::id())
}

/// Leases are renewed on a thread with a runtime of its own: a job that burns every worker
/// thread must not be taken for dead.
fn start_lease_thread<E: Engine>(
    beat: Arc<AtomicU64>,
    engine: E,
    name: Arc<str>,
    queues: Vec<QueueName>,
    pumps: Vec<Weak<Pump>>,
    stop: CancellationToken,
    health: Arc<Health>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("leases".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let mut pulse = Pulse::default();
                while !stop.is_cancelled() {
                    let held: Vec<Arc<Pump>> = pumps.iter().filter_map(Weak::upgrade).collect();
                    let tokens: Vec<i64> = held.iter().flat_map(|pump| pump.tokens()).collect();
                    let renewed =
                        tokio::time::timeout(RENEWAL / 2, engine.renew(&name, &queues, &tokens))
                            .await;
                    let lost = !matches!(renewed, Ok(Ok(_)));
                    if health.leases(lost) {
                        tracing::warn!(lost, "lease renewal changed");
                    }
                    // A lost renewal is tried again before anything else: there are three chances in a lease.
                    if !lost {
                        let look = look_after(&engine, &name, &held, &health);
                        if tokio::time::timeout(RENEWAL / 2, look).await.is_err() {
                            tracing::warn!("running jobs could not be looked after in time");
                        }
                    }
                    drop(held);
                    pulse.look(&beat, &health);
                    let pause = if lost { RENEWAL / 6 } else { RENEWAL };
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            });
        })
}

const BEAT: Duration = Duration::from_millis(500);

/// On the workers' runtime: as long as it moves, some thread of it is free.
async fn beat_until(stop: CancellationToken, beat: Arc<AtomicU64>) {
    while !stop.is_cancelled() {
        beat.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

/// What the lease thread makes of the beat.
#[derive(Default)]
struct Pulse(Option<(u64, Instant)>);

/// No beat for this long, and jobs that are known to block: nothing will ever run here again.
const NO_PULSE: Duration = Duration::from_secs(10);

impl Pulse {
    /// Ends the process when jobs in endless loops hold every thread: what else it holds is rescued, and its
    /// supervisor starts it anew. A burst of long work alone is no reason.
    fn look(&mut self, beat: &AtomicU64, health: &Health) {
        let now = beat.load(Ordering::Relaxed);
        match self.0 {
            Some((last, since)) if last == now => {
                if since.elapsed() >= NO_PULSE && health.has_stuck() {
                    tracing::error!("jobs that never wait hold every thread: ending this process");
                    std::process::exit(70);
                }
            }
            _ => self.0 = Some((now, Instant::now())),
        }
    }
}

/// Past its timeout by this much an attempt cannot be ended any more: it never waits.
const OVERSTAY: Duration = Duration::from_secs(5);

/// Drops what operators cancelled, and tells the end of attempts that block their thread for ever.
async fn look_after<E: Engine>(engine: &E, name: &str, pumps: &[Arc<Pump>], health: &Health) {
    for pump in pumps {
        let running = pump.running();
        if running.is_empty() {
            continue;
        }
        let ids: Vec<i64> = running.iter().map(|((id, _), _)| *id).collect();
        match engine.cancelling(&ids).await {
            Ok(cancelled) => {
                for (id, who) in cancelled {
                    for (_, attempt) in running.iter().filter(|((job, _), _)| *job == id) {
                        attempt.cancel(&who);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cancelled jobs cannot be looked for"),
        }
        for ((id, token), attempt) in &running {
            let Some((outcome, chances)) = attempt.overstayed(OVERSTAY) else {
                continue;
            };
            let word = outcome.word();
            let ack = Ack {
                id: *id,
                token: *token,
                outcome,
                ran: chances.began.elapsed(),
                received: chances.began,
                attempt: chances.attempt,
                lines: attempt.take_lines(),
            };
            match engine
                .ack(name, std::slice::from_ref(&ack))
                .await
                .as_deref()
            {
                Ok([Verdict::Accepted]) => {
                    attempt.give_up();
                    pump.give_up_on(&ack);
                    health.stuck(*id);
                    tracing::error!(
                        job.id = id,
                        outcome = word,
                        "a job blocks its thread past its timeout"
                    );
                }
                // It ended by itself just now, or its lease was lost before.
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, job.id = id, "its end could not be told, trying again")
                }
            }
        }
    }
}
