//! What a bench holds our stores against: PostgreSQL's own bulk paths over the same rows.

use crate::error::Res;
use futures::TryStreamExt;
use sqlx::PgConnection;
use std::time::Instant;

/// Seconds that a bare `COPY` of the stock's own rows takes into an empty copy of its table with the same
/// indexes, and how many rows that were.
pub async fn copy_in(conn: &mut PgConnection) -> Res<(f64, u64)> {
    sqlx::raw_sql("CREATE TABLE copied (LIKE listings INCLUDING ALL)")
        .execute(&mut *conn)
        .await?;
    let mut rows = Vec::new();
    let mut out = conn.copy_out_raw("COPY listings TO STDOUT").await?;
    while let Some(chunk) = out.try_next().await? {
        rows.extend_from_slice(&chunk);
    }
    drop(out);
    let begun = Instant::now();
    let mut into = conn.copy_in_raw("COPY copied FROM STDIN").await?;
    for chunk in rows.chunks(256 * 1024) {
        into.send(chunk).await?;
    }
    let copied = into.finish().await?;
    Ok((begun.elapsed().as_secs_f64(), copied))
}

/// Seconds that `COPY (SELECT …) TO STDOUT` takes over the units a vehicle feed considers, with as many
/// columns as one, and how many rows that were.
pub async fn copy_out(conn: &mut PgConnection) -> Res<(f64, u64)> {
    let begun = Instant::now();
    let mut rows = 0;
    let mut out = conn
        .copy_out_raw(
            "COPY (SELECT d.key || '-' || l.stock_number, l.vin, d.store_code, l.link, l.make, l.model, l.\"trim\", l.year,
                l.exterior_color, l.price_cents / 100 || ' USD', l.msrp_cents / 100 || ' USD', l.image_urls[1],
                array_to_string(l.image_urls[2:11], ','), l.condition, l.odometer_km || ' km', l.body, l.fuel,
                array_to_string(l.options, ','), l.description
             FROM listings l JOIN dealers d ON d.id = l.dealer_id
             WHERE l.kind = 'vehicle' AND l.status IN ('available', 'pending', 'sold')
             ORDER BY l.dealer_id, l.stock_number) TO STDOUT",
        )
        .await?;
    while let Some(chunk) = out.try_next().await? {
        rows += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    Ok((begun.elapsed().as_secs_f64(), rows))
}

/// A table of search columns with an index on each, filled by `COPY` from tab-separated lines of id, kind,
/// twelve facets and four numbers.
pub async fn search_table(conn: &mut PgConnection, lines: &[u8]) -> Res<()> {
    sqlx::raw_sql(
        "CREATE TABLE found (id bigint PRIMARY KEY, make text, model text, year text, body text, fuel text,
            drivetrain text, transmission text, color text, condition text, dealer text, price bigint, odometer bigint)",
    )
    .execute(&mut *conn)
    .await?;
    let mut into = conn.copy_in_raw("COPY found FROM STDIN").await?;
    for chunk in lines.chunks(256 * 1024) {
        into.send(chunk).await?;
    }
    into.finish().await?;
    for column in [
        "make",
        "model",
        "year",
        "body",
        "fuel",
        "drivetrain",
        "transmission",
        "color",
        "condition",
        "dealer",
        "price",
        "odometer",
    ] {
        let index = format!("CREATE INDEX ON found ({column})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(index))
            .execute(&mut *conn)
            .await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE found").execute(conn).await?;
    Ok(())
}

/// Ten facets by `GROUPING SETS` and the 24 cheapest units; counts are not disjunctive, which favours it.
/// `filter` is SQL of the bench's own making.
pub async fn grouping_sets(conn: &mut PgConnection, filter: &str) -> Res<f64> {
    let facets =
        "make, model, year, body, fuel, drivetrain, transmission, color, condition, dealer";
    let sets = facets
        .split(", ")
        .map(|facet| format!("({facet})"))
        .collect::<Vec<_>>()
        .join(", ");
    let counts = format!(
        "SELECT {facets}, count(*) FROM found WHERE {filter} GROUP BY GROUPING SETS ({sets}, ())"
    );
    let hits = format!("SELECT id FROM found WHERE {filter} ORDER BY price, id LIMIT 24");
    let begun = Instant::now();
    for sql in [counts, hits] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .fetch_all(&mut *conn)
            .await?;
    }
    Ok(begun.elapsed().as_secs_f64())
}
