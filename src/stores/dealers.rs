//! Rooftops.

use crate::error::{Res, StoreError};
use domain::Dealer;
use sqlx::PgConnection;
use std::collections::HashMap;

pub struct Dealers;

impl Dealers {
    /// Makes or updates the dealer with this key; returns its id.
    pub async fn put(conn: &mut PgConnection, dealer: &Dealer) -> Res<i64> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO dealers (key, name, street, city, state, postal_code, country, time_zone, store_code, group_name)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, ''))
             ON CONFLICT (key) DO UPDATE SET name = $2, street = $3, city = $4, state = $5, postal_code = $6,
                country = $7, time_zone = $8, store_code = $9, group_name = nullif($10, '')
             RETURNING id",
            dealer.key,
            dealer.name,
            dealer.street,
            dealer.city,
            dealer.state,
            dealer.postal_code,
            dealer.country,
            dealer.time_zone,
            dealer.store_code,
            dealer.group_name
        )
        .fetch_one(conn)
        .await?)
    }

    /// Makes those whose keys nobody knows yet; the ids of all, by key. A known dealer stays as it is.
    pub async fn ensure(conn: &mut PgConnection, dealers: &[&Dealer]) -> Res<HashMap<String, i64>> {
        let of = |f: fn(&Dealer) -> &String| {
            dealers
                .iter()
                .map(|dealer| f(dealer).clone())
                .collect::<Vec<_>>()
        };
        sqlx::query!(
            "INSERT INTO dealers (key, name, street, city, state, postal_code, country, time_zone, store_code)
             SELECT DISTINCT ON (u.key) * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                $6::text[], $7::text[], $8::text[], $9::text[])
                AS u(key, name, street, city, state, postal_code, country, time_zone, store_code)
             ORDER BY u.key
             ON CONFLICT (key) DO NOTHING",
            &of(|d| &d.key),
            &of(|d| &d.name),
            &of(|d| &d.street),
            &of(|d| &d.city),
            &of(|d| &d.state),
            &of(|d| &d.postal_code),
            &of(|d| &d.country),
            &of(|d| &d.time_zone),
            &of(|d| &d.store_code)
        )
        .execute(&mut *conn)
        .await?;
        Self::ids(conn, &of(|d| &d.key)).await
    }

    /// Ids by key; keys nobody has are missing.
    pub async fn ids(conn: &mut PgConnection, keys: &[String]) -> Res<HashMap<String, i64>> {
        Ok(
            sqlx::query!("SELECT key, id FROM dealers WHERE key = ANY($1)", keys)
                .fetch_all(conn)
                .await?
                .into_iter()
                .map(|row| (row.key, row.id))
                .collect(),
        )
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<Dealer>> {
        Ok(sqlx::query_as!(
            Dealer,
            r#"SELECT id, key, name, street, city, state, postal_code, country, time_zone, store_code,
                coalesce(group_name, '') AS "group_name!"
             FROM dealers ORDER BY key"#
        )
        .fetch_all(conn)
        .await?)
    }

    /// Whoever is asked for by a key that nobody has gets no empty answer.
    pub async fn known(conn: &mut PgConnection, key: Option<&str>) -> Res<()> {
        let Some(key) = key else {
            return Ok(());
        };
        match Self::find(conn, key).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound {
                what: "dealer",
                key: key.to_owned(),
            }),
        }
    }

    pub async fn find(conn: &mut PgConnection, key: &str) -> Res<Option<Dealer>> {
        Ok(sqlx::query_as!(
            Dealer,
            r#"SELECT id, key, name, street, city, state, postal_code, country, time_zone, store_code,
                coalesce(group_name, '') AS "group_name!"
             FROM dealers WHERE key = $1"#,
            key
        )
        .fetch_optional(conn)
        .await?)
    }
}
