//! The conformance suite on Redis.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use queue::conformance::Fixture;
use queue::{PostgresEngine, RedisEngine, engine_options};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

async fn fixture() -> Fixture<RedisEngine> {
    fixture_with(embedded::testing::database().parse().unwrap()).await
}

async fn fixture_with(options: PgConnectOptions) -> Fixture<RedisEngine> {
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_with(engine_options(options))
        .await
        .unwrap();
    let (url, prefix) = embedded::testing::redis();
    let engine = RedisEngine::new(PostgresEngine::new(pool.clone()), &url, &prefix).unwrap();
    Fixture { engine, pool }
}

queue::whole_suite!(fixture);

#[tokio::test]
async fn a_report_the_server_refuses_holds_nobody_up() {
    let options: PgConnectOptions = embedded::testing::database().parse().unwrap();
    let shallow = options.options([("max_stack_depth", "100kB")]);
    queue::conformance::a_report_the_server_refuses_holds_nobody_up(&fixture_with(shallow).await)
        .await;
}
