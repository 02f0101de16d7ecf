//! The conformance suite on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use queue::conformance::Fixture;
use queue::{PostgresEngine, engine_options};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

async fn fixture() -> Fixture<PostgresEngine> {
    fixture_with(embedded::testing::database().parse().unwrap()).await
}

async fn fixture_with(options: PgConnectOptions) -> Fixture<PostgresEngine> {
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_with(engine_options(options))
        .await
        .unwrap();
    Fixture {
        engine: PostgresEngine::new(pool.clone()),
        pool,
    }
}

queue::conformance_suite!(fixture:
    every_job_is_claimed_exactly_once,
    priority_wins_then_due_time,
    a_job_that_is_not_due_is_not_claimed,
    a_finished_job_keeps_its_report,
    a_stale_token_is_refused,
    a_retry_waits_in_the_queue,
    a_snooze_gives_the_attempt_back,
    attempts_count_from_the_start_not_the_claim,
    a_rescued_job_comes_alone,
    poison_is_buried_after_bounded_rescues,
    a_rescue_after_the_last_attempt_buries,
    a_hand_back_restores_the_attempt,
    renewing_keeps_the_lease,
    a_claim_nobody_knows_runs_out,
    hostile_text_in_a_report_is_stored,
    enqueueing_is_transactional,
    a_taken_key_answers_the_job_that_has_it,
    a_hundred_enqueues_of_one_key_make_one_job,
    a_key_is_free_again_after_the_end,
    while_queued_ends_at_the_claim,
    within_outlives_the_job,
    a_paused_queue_is_not_claimed_and_says_so,
    twenty_thousand_due_at_once_all_run,
    a_late_commit_is_not_skipped,
);

#[tokio::test]
async fn a_report_the_server_refuses_holds_nobody_up() {
    let options: PgConnectOptions = embedded::testing::database().parse().unwrap();
    let shallow = options.options([("max_stack_depth", "100kB")]);
    queue::conformance::a_report_the_server_refuses_holds_nobody_up(&fixture_with(shallow).await)
        .await;
}
