//! The pump: small tasks per queue that own claiming and acknowledging, so that the worker loop
//! never waits for the database.
//!
//! - the claimer keeps a buffer filled, and meets a lost backend with backoff, never an error;
//! - the acker sends whatever queued up while its last statement ran as the next one;
//! - the marker tells the engine which attempts have begun.
//!
//! `fetch_next` is then a cancel-safe read of the buffer.

use crate::engine::{Ack, Claim, Claimed, Engine, Verdict};
use crate::health::Health;
use crate::histogram::Histogram;
use crate::running::Attempt;
use crate::{Meters, Outcome, QueueName};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Looked at even without a wake-up: delayed jobs come due, and a NOTIFY may be lost.
const POLL: Duration = Duration::from_secs(1);
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// Attempts shorter than this are counted by their acknowledgement alone.
const MARK_EVERY: Duration = Duration::from_millis(100);
const TELL_EVERY: Duration = Duration::from_millis(500);
/// With this many acknowledgements unsent, claiming waits: the backend is not keeping up.
const ACKS_UNSENT: usize = 5_000;

#[derive(Clone, Debug)]
pub(crate) struct PumpSettings {
    pub(crate) worker: Arc<str>,
    pub(crate) queue: QueueName,
    /// Jobs claimed and not yet begun. Near the concurrency for slow queues: they hold leases.
    pub(crate) prefetch: usize,
    pub(crate) batch: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) finished: AtomicU64,
    pub(crate) handed_back: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) stale: AtomicU64,
    /// From claimed to acknowledged.
    pub(crate) latency: Histogram,
}

pub(crate) struct Pump {
    buffer: Mutex<VecDeque<Claimed>>,
    filled: Notify,
    wanted: Notify,
    depth: AtomicUsize,
    /// One per acker. A token's acknowledgements all go to one of them, so that two never wait for
    /// the same ledger row.
    acks: Vec<mpsc::UnboundedSender<Ack>>,
    unsent: AtomicUsize,
    /// Begun attempts by (id, token).
    begun: Mutex<HashMap<(i64, i64), Arc<Attempt>>>,
    /// Jobs not yet acknowledged, by the token they were claimed under: the leases to renew.
    held: Mutex<HashMap<i64, usize>>,
    /// Of those, rescued jobs whose worker died before when they were alone.
    suspects: Mutex<HashSet<i64>>,
    /// No new claim begins.
    stopping: AtomicBool,
    /// No claim is in flight either: what has not begun goes back. Were it to go back earlier, our
    /// own last claim might fetch it again.
    closed: AtomicBool,
    pub(crate) counters: Arc<Counters>,
}

impl Pump {
    pub(crate) fn new(
        counters: Arc<Counters>,
        ackers: usize,
    ) -> (Arc<Self>, Vec<mpsc::UnboundedReceiver<Ack>>) {
        let (acks, receivers) = (0..ackers.max(1))
            .map(|_| mpsc::unbounded_channel())
            .unzip();
        let pump = Self {
            buffer: Mutex::default(),
            filled: Notify::new(),
            wanted: Notify::new(),
            depth: AtomicUsize::new(0),
            acks,
            unsent: AtomicUsize::new(0),
            begun: Mutex::default(),
            held: Mutex::default(),
            suspects: Mutex::default(),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            counters,
        };
        (Arc::new(pump), receivers)
    }

    pub(crate) fn begin(&self, job: &Claimed) {
        lock(&self.begun).insert((job.id, job.token), job.attempt.clone());
    }

    /// What runs now.
    pub(crate) fn running(&self) -> Vec<((i64, i64), Arc<Attempt>)> {
        let begun = lock(&self.begun);
        begun
            .iter()
            .map(|(key, attempt)| (*key, attempt.clone()))
            .collect()
    }

    /// Somebody else has told the end of this attempt; what it still says does not count.
    pub(crate) fn give_up_on(&self, ack: &Ack) {
        lock(&self.begun).remove(&(ack.id, ack.token));
        self.let_go(std::slice::from_ref(ack));
    }

    pub(crate) fn acknowledge(&self, ack: Ack) {
        lock(&self.begun).remove(&(ack.id, ack.token));
        let counters = &self.counters;
        match ack.outcome {
            Outcome::HandBack => counters.handed_back.fetch_add(1, Ordering::Relaxed),
            _ => counters.finished.fetch_add(1, Ordering::Relaxed),
        };
        self.unsent.fetch_add(1, Ordering::Relaxed);
        // The acker outlives every sender; it ends when the last one is dropped.
        let lane = usize::try_from(ack.token.unsigned_abs()).unwrap_or(0) % self.acks.len();
        let _ = self.acks[lane].send(ack);
    }

    pub(crate) fn hand_back(&self, id: i64, token: i64) {
        self.acknowledge(Ack {
            id,
            token,
            outcome: Outcome::HandBack,
            ran: Duration::ZERO,
            received: Instant::now(),
            attempt: 0,
            lines: Vec::new(),
        });
    }

    /// Cancel-safe: nothing leaves the buffer before the future is ready.
    pub(crate) async fn take(&self, max: usize) -> Vec<Claimed> {
        loop {
            let filled = self.filled.notified();
            if self.stopping() {
                // What is left goes back; the worker loop drops this future when it closes.
                std::future::pending::<()>().await;
            }
            let taken: Vec<Claimed> = {
                let mut buffer = lock(&self.buffer);
                let count = buffer.len().min(max);
                buffer.drain(..count).collect()
            };
            if !taken.is_empty() {
                self.depth.fetch_sub(taken.len(), Ordering::Relaxed);
                self.wanted.notify_one();
                return taken;
            }
            self.wanted.notify_one();
            filled.await;
        }
    }

    pub(crate) fn tokens(&self) -> Vec<i64> {
        lock(&self.held).keys().copied().collect()
    }

    /// The engine has judged these: their part of the lease is over.
    fn let_go(&self, acks: &[Ack]) {
        let mut held = lock(&self.held);
        for ack in acks {
            if let Some(open) = held.get_mut(&ack.token) {
                *open -= 1;
                if *open == 0 {
                    held.remove(&ack.token);
                    lock(&self.suspects).remove(&ack.token);
                }
            }
        }
    }

    fn holds_a_suspect(&self) -> bool {
        !lock(&self.suspects).is_empty()
    }

    fn fill(&self, jobs: Vec<Claimed>) {
        for job in &jobs {
            *lock(&self.held).entry(job.token).or_default() += 1;
            if job.alone && job.rescues > 0 {
                lock(&self.suspects).insert(job.token);
            }
        }
        self.depth.fetch_add(jobs.len(), Ordering::Relaxed);
        lock(&self.buffer).extend(jobs);
        self.filled.notify_one();
    }

    /// No more claims. The claimer hands the buffer back when its last claim has returned.
    pub(crate) fn stop_claiming(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wanted.notify_one();
    }

    /// No more claims; what is buffered goes back. Safe to call again.
    pub(crate) fn stop(&self) {
        self.stop_claiming();
        self.closed.store(true, Ordering::SeqCst);
        let waiting: Vec<Claimed> = lock(&self.buffer).drain(..).collect();
        self.depth.store(0, Ordering::Relaxed);
        for job in waiting {
            self.hand_back(job.id, job.token);
        }
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// A job that was taken and will not begin: back to the engine, once no claim is in flight.
    pub(crate) fn put_back(&self, job: Claimed) {
        let mut buffer = lock(&self.buffer);
        if self.closed.load(Ordering::SeqCst) {
            drop(buffer);
            self.hand_back(job.id, job.token);
        } else {
            buffer.push_back(job);
        }
    }

    fn room(&self, prefetch: usize) -> usize {
        if self.unsent.load(Ordering::Relaxed) > ACKS_UNSENT {
            return 0;
        }
        prefetch.saturating_sub(self.depth.load(Ordering::Relaxed))
    }
}

/// Keeps the buffer filled until the pump stops.
pub(crate) async fn run_claimer<E: Engine>(
    engine: E,
    pump: Arc<Pump>,
    settings: PumpSettings,
    health: Arc<Health>,
) {
    let mut wakes = engine.wakes();
    let mut pause = BACKOFF.0;
    let mut woken = true;
    while !pump.stopping() {
        let room = pump.room(settings.prefetch);
        // A trickle of tiny claims costs more than it gains: wait for half the prefetch.
        if room == 0 || (room < settings.batch.min(settings.prefetch) / 2) {
            // The bound covers a full acknowledgement queue, which wakes nobody.
            let _ = tokio::time::timeout(POLL, pump.wanted.notified()).await;
            continue;
        }
        let claim = Claim {
            worker: &settings.worker,
            queue: settings.queue,
            max: room.min(settings.batch),
            woken,
            rescued: !pump.holds_a_suspect(),
        };
        match engine.claim(claim).await {
            Ok(jobs) => {
                health.claims(settings.queue, true);
                pause = BACKOFF.0;
                woken = false;
                if jobs.is_empty() {
                    woken = wait_for_work(&mut wakes, settings.queue, &pump).await;
                } else {
                    pump.fill(jobs);
                }
            }
            Err(error) => {
                if health.claims(settings.queue, false) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(queue = settings.queue.as_str(), %error, cause, "claiming fails, trying again");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
                woken = true;
            }
        }
    }
    // A claim that was in flight while the pump stopped goes back too.
    pump.stop();
}

/// `true` when woken by an enqueue (also when wake-ups were missed), `false` on the poll.
async fn wait_for_work(wakes: &mut crate::Wakes, queue: QueueName, pump: &Pump) -> bool {
    let woken = async {
        loop {
            match wakes.recv().await {
                Ok(woken) if woken == queue => return true,
                Ok(_) => {}
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return true,
                Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                    std::future::pending::<()>().await;
                }
            }
        }
    };
    tokio::select! {
        woken = woken => woken,
        () = tokio::time::sleep(POLL) => true,
        () = async { loop { pump.wanted.notified().await; if pump.stopping() { break } } } => false,
    }
}

/// Sends acknowledgements until every sender is gone, retrying through a lost backend.
pub(crate) async fn run_acker<E: Engine>(
    engine: E,
    pump: std::sync::Weak<Pump>,
    mut acks: mpsc::UnboundedReceiver<Ack>,
    settings: PumpSettings,
    health: Arc<Health>,
) {
    let counters = pump
        .upgrade()
        .map(|pump| pump.counters.clone())
        .unwrap_or_default();
    let mut batch = Vec::new();
    while acks.recv_many(&mut batch, settings.batch.max(100)).await > 0 {
        let mut pause = BACKOFF.0;
        loop {
            match engine.ack(&settings.worker, &batch).await {
                Ok(verdicts) => {
                    health.acks(settings.queue, true);
                    for ack in &batch {
                        counters.latency.record(ack.received.elapsed());
                    }
                    let latencies = batch.iter().map(|ack| ack.received.elapsed());
                    Meters::of_process().acknowledged(settings.queue, latencies);
                    let stale = verdicts.iter().filter(|v| **v == Verdict::Stale).count();
                    if stale > 0 {
                        tracing::warn!(
                            queue = settings.queue.as_str(),
                            stale,
                            "acknowledgements refused: lease lost"
                        );
                        let stale = u64::try_from(stale).unwrap_or_default();
                        Meters::of_process().refused(settings.queue, stale);
                        counters.stale.fetch_add(stale, Ordering::Relaxed);
                    }
                    break;
                }
                Err(error) => {
                    if health.acks(settings.queue, false) {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::error!(queue = settings.queue.as_str(), %error, cause, "acknowledging fails, trying again");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF.1);
                }
            }
        }
        if let Some(pump) = pump.upgrade() {
            pump.let_go(&batch);
            pump.unsent.fetch_sub(batch.len(), Ordering::Relaxed);
            pump.wanted.notify_one();
        }
        batch.clear();
    }
}

/// How far running attempts are, as far as they said something new.
async fn tell_progress<E: Engine>(engine: &E, running: &[((i64, i64), Arc<Attempt>)]) {
    let news: Vec<(i64, i64, serde_json::Value)> = running
        .iter()
        .filter_map(|((id, token), attempt)| Some((*id, *token, attempt.take_progress()?)))
        .collect();
    if !news.is_empty()
        && let Err(error) = engine.progress(&news).await
    {
        // The next word of progress says more anyway.
        tracing::debug!(%error, "progress could not be told");
    }
}

/// Tells the engine which attempts have begun, so that they count even if the process dies.
pub(crate) async fn run_marker<E: Engine>(engine: E, pump: std::sync::Weak<Pump>) {
    let mut told = Instant::now();
    loop {
        tokio::time::sleep(MARK_EVERY).await;
        let Some(pump) = pump.upgrade() else { return };
        let running = pump.running();
        let fresh: Vec<(i64, i64)> = running
            .iter()
            .filter(|(_, attempt)| !attempt.marked.load(Ordering::Relaxed))
            .map(|(key, _)| *key)
            .collect();
        if !fresh.is_empty() {
            match engine.started(&fresh).await {
                Ok(_) => {
                    for (key, attempt) in &running {
                        if fresh.contains(key) {
                            attempt.marked.store(true, Ordering::Relaxed);
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "marking begun attempts fails, trying again"),
            }
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell_progress(&engine, &running).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
