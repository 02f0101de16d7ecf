//! What VINs say, and where that contradicts the listing.

use crate::error::Res;
use crate::listing_row::{COLUMNS, ListingRow};
use crate::stamp;
use domain::Listing;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug, Serialize)]
pub struct ContradictionRow {
    pub listing_id: i64,
    pub field: String,
    pub listing_value: String,
    pub vin_value: String,
}

/// A unit whose VIN does not decode clean.
#[derive(Clone, Debug, Serialize)]
pub struct DoubtfulVin {
    pub listing: i64,
    pub dealer: String,
    pub stock_number: String,
    pub vin: String,
    /// vPIC's error codes, with commas.
    pub errors: String,
}

/// What is kept of a VIN: the offline decode, and what the decoder's API said.
#[derive(Clone, Debug, Serialize)]
pub struct KnownVin {
    pub decoder: String,
    /// vPIC's error codes, with commas.
    pub errors: String,
    pub facts: serde_json::Value,
    pub decoded_at: Timestamp,
    pub api: Option<serde_json::Value>,
    pub api_errors: Option<String>,
    pub api_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Decoded {
    #[sqlx(flatten)]
    listing: ListingRow,
    facts: serde_json::Value,
}

pub struct Vins;

impl Vins {
    /// Keeps decodes; a VIN decoded before by the same decoder is left as it is.
    pub async fn keep(
        conn: &mut PgConnection,
        decoder: &str,
        vins: &[String],
        errors: &[String],
        facts: &[serde_json::Value],
    ) -> Res<()> {
        sqlx::query!(
            "INSERT INTO vin_decodes (vin, decoder, errors, facts)
             SELECT u.vin, $1, u.errors, u.facts FROM unnest($2::text[], $3::text[], $4::jsonb[]) u(vin, errors, facts)
             ON CONFLICT (vin) DO UPDATE SET decoder = $1, errors = excluded.errors, facts = excluded.facts,
                decoded_at = now() WHERE vin_decodes.decoder <> $1",
            decoder,
            vins,
            errors,
            facts
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// What the decoder's API said of these, with its error codes.
    pub async fn of_api(
        conn: &mut PgConnection,
        vins: &[String],
    ) -> Res<Vec<(String, String, serde_json::Value)>> {
        let rows = sqlx::query!(
            r#"SELECT vin, coalesce(api_errors, '') AS "codes!", api AS "said!" FROM vin_decodes v
             JOIN providers p ON p.name = v.api_by AND p.enabled
             WHERE vin = ANY($1) AND api IS NOT NULL"#,
            vins
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.vin, row.codes, row.said))
            .collect())
    }

    /// A rooftop's units on the lot with a wrong check digit, where one is due: in a VIN of North America, and in whatever is sold in the
    /// United States and Canada (49 CFR 565; CMVSS 115). How many, and the first few (stock number, VIN).
    pub async fn bad(
        conn: &mut PgConnection,
        dealer_id: i64,
        few: i64,
    ) -> Res<(i64, Vec<(String, String)>)> {
        let rows = sqlx::query!(
            r#"SELECT l.stock_number, l.vin AS "vin!", count(*) OVER () AS "all!"
               FROM dealers d JOIN listings l ON l.dealer_id = d.id AND l.status IN ('available', 'pending')
               JOIN vin_decodes v ON v.vin = l.vin AND '1' = ANY(string_to_array(v.errors, ','))
               WHERE d.id = $1 AND (d.country IN ('', 'US', 'CA') OR l.vin ~ '^([1-5]|7[F-Z0-9])')
               ORDER BY l.id LIMIT $2"#,
            dealer_id,
            few
        );
        let rows = rows.fetch_all(conn).await?;
        let all = rows.first().map_or(0, |row| row.all);
        let few = rows.into_iter().map(|row| (row.stock_number, row.vin));
        Ok((all, few.collect()))
    }

    /// Ends the alert of a rooftop, or those of all, that has no unit with a wrong check digit on the lot any more.
    pub async fn settle_bad(conn: &mut PgConnection, dealer_id: Option<i64>) -> Res<()> {
        sqlx::query!(
            "UPDATE alerts a SET resolved_at = now() WHERE a.what = 'bad_vins' AND a.resolved_at IS NULL
                AND ($1::bigint IS NULL OR a.subject = (SELECT key FROM dealers WHERE id = $1)) AND NOT EXISTS (
                SELECT 1 FROM dealers d JOIN listings l ON l.dealer_id = d.id AND l.status IN ('available', 'pending')
                JOIN vin_decodes v ON v.vin = l.vin AND '1' = ANY(string_to_array(v.errors, ','))
                WHERE d.key = a.subject AND (d.country IN ('', 'US', 'CA') OR l.vin ~ '^([1-5]|7[F-Z0-9])'))",
            dealer_id
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Replaces what is known of these listings.
    pub async fn contradict(
        conn: &mut PgConnection,
        listing_ids: &[i64],
        found: &[ContradictionRow],
    ) -> Res<()> {
        sqlx::query!(
            "DELETE FROM contradictions WHERE listing_id = ANY($1)",
            listing_ids
        )
        .execute(&mut *conn)
        .await?;
        Self::add(conn, found).await
    }

    async fn add(conn: &mut PgConnection, found: &[ContradictionRow]) -> Res<()> {
        let of = |f: fn(&ContradictionRow) -> &String| {
            found.iter().map(|c| f(c).clone()).collect::<Vec<_>>()
        };
        sqlx::query!(
            "INSERT INTO contradictions (listing_id, field, listing_value, vin_value)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
            &found.iter().map(|c| c.listing_id).collect::<Vec<_>>(),
            &of(|c| &c.field),
            &of(|c| &c.listing_value),
            &of(|c| &c.vin_value)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// The same of one field alone.
    pub async fn contradict_field(
        conn: &mut PgConnection,
        listing_ids: &[i64],
        field: &str,
        found: &[ContradictionRow],
    ) -> Res<()> {
        sqlx::query!(
            "DELETE FROM contradictions WHERE listing_id = ANY($1) AND field = $2",
            listing_ids,
            field
        )
        .execute(&mut *conn)
        .await?;
        Self::add(conn, found).await
    }

    /// What the offline decoder made of these.
    pub async fn facts(
        conn: &mut PgConnection,
        vins: &[String],
    ) -> Res<std::collections::HashMap<String, domain::Details>> {
        let rows = sqlx::query!(
            "SELECT vin, facts FROM vin_decodes WHERE vin = ANY($1)",
            vins
        );
        let rows = rows.fetch_all(conn).await?.into_iter();
        let read = |facts| serde_json::from_value(facts).unwrap_or_default();
        Ok(rows.map(|row| (row.vin, read(row.facts))).collect())
    }

    /// Nothing that this decoder said of VINs is known any more.
    pub async fn forget_api(conn: &mut PgConnection, provider: &str) -> Res<()> {
        sqlx::query!(
            "UPDATE vin_decodes SET api = NULL, api_errors = NULL, api_at = NULL, api_by = NULL WHERE api_by = $1",
            provider
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Keeps what a decoder says of VINs, whose decodes are kept already.
    pub async fn keep_api(
        conn: &mut PgConnection,
        provider: &str,
        vins: &[String],
        errors: &[String],
        values: &[serde_json::Value],
    ) -> Res<()> {
        sqlx::query!(
            "UPDATE vin_decodes v SET api = u.api, api_errors = u.errors, api_at = now(), api_by = $4
             FROM unnest($1::text[], $2::text[], $3::jsonb[]) u(vin, errors, api) WHERE v.vin = u.vin",
            vins,
            errors,
            values,
            provider
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// A decoder knows nothing of these; what one that has a word said before stands, and they are asked no sooner for it.
    pub async fn asked_in_vain(
        conn: &mut PgConnection,
        provider: &str,
        vins: &[String],
    ) -> Res<()> {
        sqlx::query!(
            "UPDATE vin_decodes v SET api_at = now(), api = CASE WHEN p.name IS NOT NULL THEN v.api END,
                api_errors = CASE WHEN p.name IS NOT NULL THEN v.api_errors END, api_by = coalesce(p.name, $2)
             FROM unnest($1::text[]) u(vin)
             LEFT JOIN vin_decodes said ON said.vin = u.vin AND said.api IS NOT NULL
             LEFT JOIN providers p ON p.name = said.api_by AND p.enabled
             WHERE v.vin = u.vin",
            vins,
            provider
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Units on a dealer's lot whose VIN decodes with one of these errors.
    pub async fn doubtful(
        conn: &mut PgConnection,
        dealer: &str,
        codes: &[i32],
        limit: i64,
    ) -> Res<Vec<DoubtfulVin>> {
        let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
        let rows = sqlx::query_file_as!(
            DoubtfulVin,
            "queries/doubtful_vins.sql",
            dealer,
            limit,
            &codes
        );
        Ok(rows.fetch_all(conn).await?)
    }

    /// What is kept of one VIN.
    pub async fn find(conn: &mut PgConnection, vin: &str) -> Res<Option<KnownVin>> {
        let row = sqlx::query!(
            r#"SELECT decoder, errors, facts, decoded_at, CASE WHEN p.name IS NOT NULL THEN api END AS "api?",
                CASE WHEN p.name IS NOT NULL THEN api_errors END AS "api_errors?",
                CASE WHEN p.name IS NOT NULL THEN api_at END AS "api_at?"
               FROM vin_decodes v LEFT JOIN providers p ON p.name = v.api_by AND p.enabled WHERE vin = $1"#,
            vin
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.map(|row| KnownVin {
            decoder: row.decoder,
            errors: row.errors,
            facts: row.facts,
            decoded_at: stamp(row.decoded_at),
            api: row.api,
            api_errors: row.api_errors,
            api_at: row.api_at.map(stamp),
        }))
    }

    /// VINs decoded and contradictions known.
    pub async fn counts(conn: &mut PgConnection) -> Res<(i64, i64)> {
        let row = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM vin_decodes) AS "decoded!",
                      (SELECT count(*) FROM contradictions) AS "contradictions!""#
        )
        .fetch_one(conn)
        .await?;
        Ok((row.decoded, row.contradictions))
    }

    /// The decoded units that a file brought, with what their VINs say.
    pub fn of_file(
        conn: &mut PgConnection,
        file_id: i64,
    ) -> BoxStream<'_, Res<(Listing, serde_json::Value)>> {
        sqlx::query_as::<_, Decoded>(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, v.facts FROM listings l JOIN vin_decodes v ON v.vin = l.vin
             WHERE l.file_id = $1 ORDER BY l.id"
        )))
        .bind(file_id)
        .fetch(conn)
        .map_ok(|row| (row.listing.into(), row.facts))
        .map_err(Into::into)
        .boxed()
    }

    pub async fn contradictions(
        conn: &mut PgConnection,
        listing_id: i64,
    ) -> Res<Vec<ContradictionRow>> {
        Ok(sqlx::query_as!(
            ContradictionRow,
            "SELECT listing_id, field, listing_value, vin_value FROM contradictions WHERE listing_id = $1 ORDER BY field",
            listing_id
        )
        .fetch_all(conn)
        .await?)
    }
}
