//! The queue: what a job is, what it promises, and the engine that keeps the promise.
//!
//! This is the only floor that names apalis. apalis-core gives the worker loop, the monitor and
//! the `Persistence` trait; the contract (fencing, leases, attempts, backoff, uniqueness,
//! hand-back) is ours, because the stock storages do not keep it (see ARCHITECTURE.md, "why").
//!
//! It deliberately knows no job and no table but its own. Invariant: every accepted job is, at
//! every moment, exactly one of a row in `jobs_hot` or a row in `jobs_history`.
//!
//! Read in this order: [`job`] (what you write), [`policy`], [`outcome`], [`engine`] (the
//! contract), `pump` (who claims and acknowledges), `layers/` (what happens to any job).

mod any;
mod backend;
mod bulk;
mod catalogue;
#[cfg(feature = "conformance")]
pub mod conformance;
mod effects;
mod engine;
mod envelope;
mod explain;
mod health;
mod histogram;
mod inspect;
mod job;
mod lane_book;
mod lanes;
mod layers;
mod locks;
mod logs;
pub mod measure;
mod meters;
mod outcome;
mod overview;
mod partners;
mod policy;
mod postgres;
mod pump;
mod redis;
mod running;
mod runs;
mod secrets;
mod spans;
pub mod testing;
mod throttle;
mod workers;

pub use any::AnyEngine;
pub use bulk::{Bulk, BulkAction, BulkError, Bulks, Change, KindOf, Preview, Revival};
pub use catalogue::{Catalogue, Entry};
pub use effects::Effects;
pub use engine::{
    Ack, Cancelled, Claim, Claimed, Engine, EngineError, Enqueued, LEASE, RENEWAL, Rescued,
    Verdict, Wakes,
};
pub use envelope::{Enqueue, Envelope};
pub use explain::{Cause, Explanation, explain};
pub use health::Health;
pub use histogram::Histogram;
pub use inspect::{AttemptLines, AttemptRecord, JobFilter, JobRecord, JobState, Jobs};
pub use job::{Job, JobContext, JobError};
pub use lanes::{Block, Breaker, BreakerState, Gate, Lane, Limit, Scope, gate};
pub use locks::{Hints, Lock, Locks};
pub use logs::AttemptLog;
pub use meters::Meters;
pub use outcome::{ErrorRecord, FailureClass, Outcome};
pub use overview::{Minute, Overview, QueueStats, RunRecord, WorkerRecord};
pub use partners::{
    BreakerPolicy, CallEnd, Partner, PartnerEvent, Partners, Permit, Refusal, Window,
};
pub use policy::{Backoff, Policy, Priority, QueueName, Unique};
pub use postgres::{PostgresEngine, engine_options, filter_options};
pub use redis::{Bucket, RedisEngine, RedisError};
pub use runs::{Progress, Runs};
pub use secrets::ArgSealer;
pub use spans::{RunIds, trace_runs};
pub use throttle::{Throttle, Turn};
pub use workers::{DrainReport, QueueSettings, WorkerSettings, Workers, boot_name};

/// Random, so that a claim lost in a crash can never have its token reissued.
pub(crate) fn random_token() -> i64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    i64::try_from(bits >> 2).unwrap_or(1)
}
