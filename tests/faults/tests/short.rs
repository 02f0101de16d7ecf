//! The short form of the fault matrix: every row on both engines.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use faults::scenarios::{LIMIT, ROWS};
use faults::{Engine, Form};

fn run(name: &str, engine: Engine) {
    let (_, _, row) = ROWS.iter().find(|(_, row, _)| *row == name).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let verdict = runtime.block_on(row(engine, Form::Short)).unwrap();
    assert_eq!(verdict.problem(LIMIT), None, "{verdict:?}");
}

macro_rules! rows {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(#[test] fn $name() { super::run(stringify!($name), super::Engine::Postgres); })+
        }
        mod redis {
            $(#[test] fn $name() { super::run(stringify!($name), super::Engine::Redis); })+
        }
        #[test]
        fn every_row_is_run() {
            let here = [$(stringify!($name)),+];
            // A dozen processes die in it, a minute and more: in the long form only.
            for (_, name, _) in ROWS.iter().filter(|(_, name, _)| *name != "fatal_jobs") {
                assert!(here.contains(name), "{name} is not in the short form");
            }
        }
    };
}

rows!(
    kill_the_only_worker,
    kill_one_of_two,
    kill_again_and_again,
    kill_and_restart_under_the_same_name,
    die_between_effect_and_acknowledgement,
    restart_postgresql,
    terminate_backends,
    restart_redis,
    lose_redis,
    kill_clients_and_flush_scripts,
    stall_the_server,
    refuse_writes,
    a_bad_line,
    exhaust_the_pool,
    burn_longer_than_a_lease,
    stop_and_continue,
    clocks_that_are_wrong,
    a_newer_kind,
    terminate_with_long_jobs,
    all_due_at_once,
    a_partner_down,
);
