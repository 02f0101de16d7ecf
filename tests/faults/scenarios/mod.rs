//! The rows of the matrix, one function each, named after what is done to whom.

mod processes;
mod servers;
mod work;

use crate::{Engine, Form, Verdict, World, now_ms};
use anyhow::Result;
use queue::Enqueue;
use std::pin::Pin;

type Row = fn(Engine, Form) -> Pin<Box<dyn Future<Output = Result<Verdict>>>>;

macro_rules! rows {
    ($($number:literal $module:ident :: $name:ident),+ $(,)?) => {
        /// Number in the contract, name, scenario.
        pub const ROWS: &[(u8, &str, Row)] = &[
            $(($number, stringify!($name), |engine, form| Box::pin($module::$name(engine, form)))),+
        ];
    };
}

rows! {
    1 processes::kill_the_only_worker,
    1 processes::kill_one_of_two,
    2 processes::kill_again_and_again,
    3 processes::kill_and_restart_under_the_same_name,
    4 processes::die_between_effect_and_acknowledgement,
    5 servers::restart_postgresql,
    5 servers::terminate_backends,
    6 servers::restart_redis,
    6 servers::lose_redis,
    6 servers::kill_clients_and_flush_scripts,
    7 servers::stall_the_server,
    8 servers::refuse_writes,
    9 servers::a_bad_line,
    10 work::exhaust_the_pool,
    11 work::fatal_jobs,
    13 work::burn_longer_than_a_lease,
    14 processes::stop_and_continue,
    15 processes::clocks_that_are_wrong,
    17 work::a_newer_kind,
    18 processes::terminate_with_long_jobs,
    19 work::all_due_at_once,
    20 work::a_partner_down,
}

/// Recovery and rescue may take this long, in seconds.
pub const LIMIT: f64 = 15.0;

fn effects(count: u32, ms: u64) -> Result<Vec<Enqueue>> {
    (0..count)
        .map(|n| Ok(Enqueue::of(&crate::jobs::Effect { n, ms })?))
        .collect()
}

/// Seconds from a kill to the last of the killed jobs' second starts.
fn rescued_after(world: &World, killed_at: u128) -> Option<f64> {
    let starts = world.starts();
    let cut: Vec<i64> = starts
        .iter()
        .filter(|(at, id, _)| *at <= killed_at && starts.iter().filter(|s| s.1 == *id).count() > 1)
        .map(|start| start.1)
        .collect();
    let again = starts
        .iter()
        .filter(|(at, id, _)| *at > killed_at && cut.contains(id))
        .map(|start| start.0)
        .max()?;
    Some(seconds(again.saturating_sub(killed_at)))
}

fn seconds(ms: u128) -> f64 {
    f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) / 1e3
}

fn since(ms: u128) -> f64 {
    seconds(now_ms().saturating_sub(ms))
}
